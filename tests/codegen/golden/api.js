/* eslint-disable */
/**
 * The public functions of the application, for clients of Convex.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To make it anew, run `headwater codegen`.
 */

import { anyApi } from "convex/server";

export const api = anyApi;
