// What a page of an application does with the official clients. Each wrong use has to be an error:
// tsc says so where the line after @ts-expect-error is right.

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api } from "./_generated/api.js";
import type { Doc, Id, TableNames } from "./_generated/dataModel.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(is: Equal<A, B>): void;

declare const channel: Id<"channels">;
declare const message: Doc<"all_messages">;
const module = api.everything;

// Documents and ids.
same<TableNames, "all_messages" | "channels" | "_storage">(true);
same<typeof message._id, Id<"all_messages">>(true);
same<typeof message.exact, bigint>(true);
same<typeof message.raw, ArrayBuffer>(true);
same<typeof message.picture, Id<"_storage"> | null>(true);
same<Doc<"channels">["kind"], "open" | "closed">(true);
same<typeof message.place.street, string | null | undefined>(true);
const text: string = message._id;
const seen: number | undefined = message.seen[channel];
// @ts-expect-error an id of another table
const another: Id<"channels"> = message._id;
// @ts-expect-error no id, but any string
const anyText: Id<"channels"> = text;
// @ts-expect-error there is no such table
type Nothing = Doc<"nothing">;
// @ts-expect-error there is no such field
message.title;

// Queries.
same<FunctionReturnType<typeof module.count>, number>(true);
same<FunctionReturnType<typeof module.get>, Doc<"all_messages"> | null>(true);
same<FunctionArgs<typeof module.recent>, { pageSize?: number; since?: number | null }>(true);
const count: number | undefined = useQuery(module.count);
const found = useQuery(module.get, { message: message._id });
same<typeof found, Doc<"all_messages"> | null | undefined>(true);
useQuery(module.get, "skip");
useQuery(module.recent, {});
useQuery(module.recent, { pageSize: 3, since: null });
useQuery(module.default);
useQuery(module.byKind, { least: { open: 1 } });
// @ts-expect-error none of the kinds
useQuery(module.byKind, { least: { secret: 1 } });
// @ts-expect-error an argument is missing
useQuery(module.get, {});
// @ts-expect-error an id of another table
useQuery(module.get, { message: channel });
// @ts-expect-error it takes no arguments
useQuery(module.count, { limit: 1 });
// @ts-expect-error from outside it has another name
useQuery(module.recent, { limit: 3 });
// @ts-expect-error a mutation is no query
useQuery(module.createChannel, { name: "a" });
// @ts-expect-error there is no such function
useQuery(module.listMessages, {});
// @ts-expect-error internal functions are not there
module.forget;

// Pages.
const pages = usePaginatedQuery(module.list, { channel }, { initialNumItems: 10 });
same<typeof pages.results, Doc<"all_messages">[]>(true);
// @ts-expect-error an argument is missing
usePaginatedQuery(module.list, {}, { initialNumItems: 10 });
// @ts-expect-error it has no pages
usePaginatedQuery(module.recent, {}, { initialNumItems: 10 });

// Mutations and actions.
const createChannel = useMutation(module.createChannel);
const created: Promise<Id<"channels">> = createChannel({ name: "a", kind: "closed", level: 2 });
createChannel({ name: "a", level: true });
createChannel({ name: "a", level: null });
// @ts-expect-error none of the kinds
createChannel({ name: "a", kind: "secret" });
// @ts-expect-error none of the levels
createChannel({ name: "a", level: 3 });
// @ts-expect-error a number is no name
createChannel({ name: 1 });
const sendAll = useMutation(module.sendAll);
const place = { city: "London", street: null };
const sent = { messages: [place], raw: new ArrayBuffer(1), by_kind: { a: place } };
const lists: Promise<Record<string, bigint[]>> = sendAll({ ...sent, big: 1n });
// @ts-expect-error a number is no bigint
sendAll({ ...sent, big: 1 });
useMutation(module.oddNames)({ value: { "a b": [1, null], "it's": "b" } });
const page: Promise<ArrayBuffer> = useAction(module.fetchPage)({ url: "/", file: null });
// @ts-expect-error an action is no mutation
useMutation(module.fetchPage);

// Clients without React.
const http = new ConvexHttpClient("http://localhost");
const client = new ConvexClient("http://localhost");
http.query(module.count).then((n: number) => n);
http.action(module.fetchPage, { url: "/" }).then((bytes: ArrayBuffer) => bytes.byteLength);
client.mutation(module.createChannel, { name: "a" }).then((id: Id<"channels">) => id);
client.onUpdate(module.get, { message: message._id }, (now) => now?.text.length);
// @ts-expect-error a number is no string
http.action(module.fetchPage, { url: 1 });
// @ts-expect-error the result is a number
client.onUpdate(module.count, {}, (now: string) => now);

export { another, anyText, count, created, lists, page, seen };
export type { Nothing };
