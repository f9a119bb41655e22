// schema - what may stand at a place of a rule file, by its JSON Schema.

let known = null;
export const take = (schema) => (known = schema);

/** The schemas that a schema stands for, with references and alternatives followed. */
function spread(schema, depth = 0) {
  if (!schema || depth > 12) return [];
  if (schema.$ref) return spread(schema.$ref.split("/").slice(1).reduce((at, name) => at?.[name], known), depth + 1);
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? []), ...[schema.then, schema.else].filter(Boolean)];
  return [schema, ...parts.flatMap((one) => spread(one, depth + 1))];
}

function step(schemas, name) {
  return schemas.flatMap((schema) => {
    if (typeof name === "number") return spread(schema.items);
    const own = schema.properties?.[name];
    if (own) return spread(own);
    return typeof schema.additionalProperties === "object" ? spread(schema.additionalProperties) : [];
  });
}

const at = (path) => path.reduce(step, spread(known));

/** Names of members that may stand in the object at this path: [name, what it means]. */
export function members(path) {
  const found = new Map();
  for (const schema of at(path)) for (const [name, one] of Object.entries(schema.properties ?? {})) if (!found.has(name) || !found.get(name)) found.set(name, one.description ?? "");
  found.delete("$schema");
  return [...found];
}

/** Values that may stand there: [value, ""]. */
export function values(path) {
  const found = at(path).flatMap((schema) => [...(schema.enum ?? []), ...(schema.const !== undefined ? [schema.const] : [])]).filter((value) => typeof value === "string");
  return [...new Set(found)].map((value) => [value, ""]);
}
