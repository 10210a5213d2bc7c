/* eslint-disable */
/**
 * The public functions of the application, for clients of Convex.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To make it anew, run `headwater codegen`.
 */

import type { FunctionReference, PaginationOptions, PaginationResult } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

/**
 * What is called by clients: `useQuery(api.module.functionName, { ... })`.
 */
export declare const api: {
  everything: {
    anything: FunctionReference<
      "query",
      "public",
      { value: any; options: Record<string, any> },
      any
    >;
    byKind: FunctionReference<
      "query",
      "public",
      {
        least: Partial<Record<"open" | "closed", number>>;
      },
      Record<string, any>
    >;
    /**
     * How many there are.
     */
    count: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      number
    >;
    createChannel: FunctionReference<
      "mutation",
      "public",
      {
        name: string;
        kind?: "open" | "closed";
        level?: 1 | 2 | true | null;
      },
      Id<"channels">
    >;
    default: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      null
    >;
    /**
     * Get a page.
     *
     * Args:
     *     url: Where.
     */
    fetchPage: FunctionReference<
      "action",
      "public",
      {
        url: string;
        file?: Id<"_storage"> | null;
      },
      ArrayBuffer
    >;
    get: FunctionReference<
      "query",
      "public",
      { message: Id<"all_messages"> },
      Doc<"all_messages"> | null
    >;
    /**
     * The messages of a channel, in pages.
     *
     * Ends nothing: *\/ is no end.
     */
    list: FunctionReference<
      "query",
      "public",
      {
        channel: Id<"channels">;
        paginationOpts: PaginationOptions;
      },
      PaginationResult<Doc<"all_messages">>
    >;
    oddNames: FunctionReference<
      "mutation",
      "public",
      { value: { "a b": any; "it's"?: string } },
      any
    >;
    recent: FunctionReference<
      "query",
      "public",
      { pageSize?: number; since?: number | null },
      Array<Doc<"all_messages">>
    >;
    sendAll: FunctionReference<
      "mutation",
      "public",
      {
        messages: Array<{ city: string; street?: string | null }>;
        big: bigint;
        raw: ArrayBuffer;
        by_kind: Record<string, { city: string; street?: string | null }>;
      },
      Record<string, Array<bigint>>
    >;
  };
};
