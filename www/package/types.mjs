// Writes src/wire.ts from the OpenAPI document: the types of what crosses the
// boundary are never restated by hand.
//
//   node types.mjs           writes
//   node types.mjs --check   fails when the file isn't what it would write
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "../../crates/wire/openapi.json");
const target = join(here, "src/wire.ts");

// What the package's users see, and under which name. `Event` is the DOM's.
const NAMES = {
  Currency: "Currency",
  EventName: "EventName",
  Item: "EventItem",
  EventParams: "EventParams",
  Event: "WireEvent",
  Answer: "Answer",
  RankRequest: "RankRequest",
  Reason: "Reason",
  RankedItem: "RankedItem",
  RankResponse: "RankResponse",
  IntentResponse: "IntentResponse",
  AssistTurn: "AssistTurn",
  AssistPacket: "AssistPacket",
  AssistAnswer: "AssistAnswer",
  Models: "Models",
  Questions: "Questions",
  Fault: "WireFault",
  Problem: "Problem",
};

// GA4 has many more fields here (item_name, coupon, value, ...); they are passed
// over, and a shop that sends them already needn't strip them.
const OPEN = new Set(["EventParams", "Item"]);

function type(schema, indent) {
  if (schema.$ref) {
    const name = NAMES[schema.$ref.split("/").at(-1)];
    if (!name) throw new Error(`${schema.$ref} has no name here: add it to NAMES`);
    return name;
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type].flat();
  return types.map((each) => plain(each, schema, indent)).join(" | ");
}

function plain(each, schema, indent) {
  switch (each) {
    case "null":
    case "string":
    case "boolean":
      return each;
    case "integer":
    case "number":
      return "number";
    case "array": {
      const items = type(schema.items, indent);
      return /[|{]/.test(items) ? `(${items})[]` : `${items}[]`;
    }
    case "object":
      return object(schema, indent);
    default:
      throw new Error(`no TypeScript for ${JSON.stringify(schema)}`);
  }
}

function object({ properties, required = [], additionalProperties }, indent, open = false) {
  if (!properties) return `{ [name: string]: ${type(additionalProperties, indent)} }`;
  const inner = `${indent}  `;
  const lines = Object.entries(properties).flatMap(([name, schema]) => [
    ...comment(schema, inner),
    `${inner}${name}${required.includes(name) ? "" : "?"}: ${type(schema, inner)};`,
  ]);
  if (open) lines.push(`${inner}/** Other fields of GA4 are passed over. */`, `${inner}[field: string]: unknown;`);
  return `{\n${lines.join("\n")}\n${indent}}`;
}

function comment({ description }, indent) {
  return description ? [`${indent}/** ${description} */`] : [];
}

export function generate(openapi) {
  const { schemas } = openapi.components;
  const parts = ["// Generated from the OpenAPI document by types.mjs. Do not edit."];
  for (const [schema, name] of Object.entries(NAMES)) {
    const definition = schemas[schema];
    if (!definition) throw new Error(`the OpenAPI document has no schema ${schema}`);
    const body = OPEN.has(schema) ? object(definition, "", true) : type(definition, "");
    const head = body.startsWith("{") ? `export interface ${name} ` : `export type ${name} = `;
    parts.push([...comment(definition, ""), head + body + (body.startsWith("{") ? "" : ";")].join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

const text = generate(JSON.parse(readFileSync(source, "utf8")));
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("error: src/wire.ts is not what the OpenAPI document says\n  Run `npm run types` in www/package and commit the result.");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
