// Checks one text of TypeScript after the other: a line of JSON in, its problems as a line out.

import { createInterface } from "node:readline";
import ts from "typescript";

const drawn = new URL("drawn.ts", import.meta.url).pathname;
let text = "";
let version = 0;

const service = ts.createLanguageService({
  getCompilationSettings: () => ({
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    types: [],
  }),
  getScriptFileNames: () => [drawn],
  getScriptVersion: (name) => (name === drawn ? String(version) : "0"),
  getScriptSnapshot: (name) => {
    const found = name === drawn ? text : ts.sys.readFile(name);
    return found === undefined ? undefined : ts.ScriptSnapshot.fromString(found);
  },
  getCurrentDirectory: () => process.cwd(),
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === drawn || ts.sys.fileExists(name),
  readFile: ts.sys.readFile,
});

for await (const line of createInterface({ input: process.stdin })) {
  text = JSON.parse(line);
  version += 1;
  const found = [
    ...service.getSyntacticDiagnostics(drawn),
    ...service.getSemanticDiagnostics(drawn),
  ].map(({ start, messageText }) => {
    const at = text.slice(0, start).split("\n").length;
    return `line ${at}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
  console.log(JSON.stringify(found));
}
