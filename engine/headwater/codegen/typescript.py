"""The files by which official clients of Convex know an application's functions and tables.

They are called, and used, as those that ``npx convex codegen`` makes for such an application::

    api.d.ts            api.chat.send is a FunctionReference with types of arguments and result
    api.js              the same at run time
    dataModel.d.ts      Doc<"messages">, Id<"messages">
"""

from dataclasses import dataclass, field
from typing import Final

from headwater.codegen.typescript_types import (
    INDENT,
    NO_ARGUMENTS,
    document_type,
    property_name,
    type_of,
)
from headwater.functions.arguments import Contract
from headwater.functions.modules import Application

MARK: Final = "THIS CODE IS AUTOMATICALLY GENERATED."
"""Is in every file that is made here, and in those that Convex makes."""

_HEADER: Final = """\
/* eslint-disable */
/**
 * {what}
 *
 * {mark}
 *
 * To make it anew, run `headwater codegen`.
 */
"""
_FUNCTIONS: Final = "The public functions of the application, for clients of Convex."
_TABLES: Final = "The documents of the application, and their ids."

_API: Final = """\
import {{ anyApi }} from "convex/server";

export const api = anyApi;
"""
_API_TYPES: Final = """\
import type {{ FunctionReference, PaginationOptions, PaginationResult }} from "convex/server";
import type {{ Doc, Id }} from "./dataModel.js";

/**
 * What is called by clients: `useQuery(api.module.functionName, {{ ... }})`.
 */
export declare const api: {functions};
"""
_DATA_MODEL: Final = """\
import type {{ GenericId }} from "convex/values";

interface Documents {documents}

/**
 * The names of the tables.
 */
export type TableNames = keyof Documents;

/**
 * A document of a table, as functions give it.
 */
export type Doc<TableName extends TableNames> = Documents[TableName];

/**
 * The id of a document: a string that belongs to one table.
 */
export type Id<TableName extends TableNames> = GenericId<TableName>;
"""


def typescript_files(application: Application) -> dict[str, str]:
    """The text of each file, by its name. The same application gives the same text.

    Internal functions are left out.
    """
    return {
        "api.d.ts": _with_header(_FUNCTIONS, _API_TYPES.format(functions=_functions(application))),
        "api.js": _with_header(_FUNCTIONS, _API.format()),
        "dataModel.d.ts": _with_header(_TABLES, _DATA_MODEL.format(documents=_tables(application))),
    }


def _with_header(what: str, text: str) -> str:
    return _HEADER.format(what=what, mark=MARK) + "\n" + text


# Tables -----------------------------------------------------------------------------------------


def _tables(application: Application) -> str:
    members = [
        f"{INDENT}{property_name(name)}: {document_type(name, validator, application.documents)};\n"
        for name, validator in sorted(application.documents.items())
    ]
    return "{\n" + "".join(members) + "}"


# Functions --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Node:
    """A folder, a module or a function of the API, or two of them that have one name.

    Attributes:
        path: Of the function; empty if there is none.
        inside: What is called through it.
    """

    path: str = ""
    inside: "dict[str, _Node]" = field(default_factory=dict[str, "_Node"])


def _functions(application: Application) -> str:
    root = _Node()
    for path, function in sorted(application.functions.items()):
        if not function.is_internal:
            node = root
            for part in path.replace(":", "/").split("/"):
                node = node.inside.setdefault(part, _Node())
            node.path = path
    return _inside(root, application, "")


def _inside(node: _Node, application: Application, indent: str) -> str:
    inner = indent + INDENT
    members = [
        _comment(application, child.path, inner)
        + f"{inner}{property_name(name)}: {_both(child, application, inner)};\n"
        for name, child in sorted(node.inside.items())
    ]
    return "{\n" + "".join(members) + indent + "}"


def _both(node: _Node, application: Application, indent: str) -> str:
    parts = [_reference(application, node.path, indent)] if node.path else []
    parts += [_inside(node, application, indent)] if node.inside else []
    return " & ".join(parts)


def _reference(application: Application, path: str, indent: str) -> str:
    inner = indent + INDENT
    contract = application.contracts[path]
    types = [
        f'"{application.functions[path].kind}"',
        '"public"',
        _arguments(contract, application, inner),
        type_of(contract.result, application.documents, inner),
    ]
    return "FunctionReference<\n" + ",\n".join(inner + text for text in types) + f"\n{indent}>"


def _arguments(contract: Contract, application: Application, indent: str) -> str:
    arguments = contract.wire_arguments
    if not arguments.fields:
        return NO_ARGUMENTS
    return type_of(arguments, application.documents, indent)


def _comment(application: Application, path: str, indent: str) -> str:
    """What a function says of itself, for editors."""
    doc = application.functions[path].doc if path else ""
    if not doc.strip():
        return ""
    lines = [f"{indent} * {line}".rstrip() for line in doc.replace("*/", "*\\/").splitlines()]
    return "\n".join([f"{indent}/**", *lines, f"{indent} */\n"])
