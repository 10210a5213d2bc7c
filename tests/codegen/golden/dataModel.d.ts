/* eslint-disable */
/**
 * The documents of the application, and their ids.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To make it anew, run `headwater codegen`.
 */

import type { GenericId } from "convex/values";

interface Documents {
  _storage: {
    _id: Id<"_storage">;
    _creationTime: number;
    sha256: string;
    size: number;
    contentType: string | null;
    filename: string | null;
  };
  all_messages: {
    _id: Id<"all_messages">;
    _creationTime: number;
    channel: Id<"channels">;
    text: string;
    size: number;
    score: number;
    price: number;
    exact: bigint;
    raw: ArrayBuffer;
    is_read: boolean;
    tags: Array<string>;
    place: { city: string; street?: string | null };
    picture: Id<"_storage"> | null;
    reactions: Record<string, number>;
    seen: Record<Id<"channels">, number>;
    extra?: any;
  };
  channels: {
    _id: Id<"channels">;
    _creationTime: number;
    name: string;
    kind: "open" | "closed";
  };
}

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
