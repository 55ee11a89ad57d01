/// <reference types="node" />
import { readFile } from "node:fs/promises";
import { ShelfedgeError } from "./errors.js";

/** Addresses of files and bare paths; everything else is fetched. */
export function read(address: string | URL): Promise<Uint8Array<ArrayBuffer>> | undefined {
  const text = String(address);
  if (/^(?!file:)[a-z][a-z0-9+.-]+:/i.test(text)) return undefined;
  return readFile(text.startsWith("file:") ? new URL(text) : text).catch((error: Error) => {
    throw new ShelfedgeError("fetch_failed", `${text} can't be read: ${error.message}`, [], { cause: error });
  });
}
