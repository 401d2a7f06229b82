// A validator for @rjsf/core that needs no `eval`, so that a page may forbid it.
import { Validator } from "@cfworker/json-schema";
import { toErrorSchema } from "@rjsf/utils";

function problems(schema, data) {
  // rjsf marks what nobody entered with `undefined`, which JSON does not have.
  const value = data === undefined ? undefined : JSON.parse(JSON.stringify(data));
  const { errors } = new Validator(schema, "2020-12", false).validate(value);
  // Only the innermost problem says what is wrong; those around it say that a part is.
  const leaves = errors.filter(({ keyword }) => !WRAPPERS.has(keyword));
  return leaves.length > 0 ? leaves : errors;
}

const WRAPPERS = new Set(["properties", "items", "allOf", "if", "additionalProperties"]);

function error({ keyword, error: message, instanceLocation }) {
  const [missing] = keyword === "required" ? (/"(.*)"/.exec(message)?.slice(1) ?? []) : [];
  const path = [...instanceLocation.split("/").slice(1), ...(missing ? [missing] : [])];
  const text = missing ? "Fill in this field." : message;
  return { name: keyword, message: text, stack: text, property: path.map((part) => `.${part}`).join("") };
}

export default {
  validateFormData(data, schema) {
    const errors = problems(schema, data ?? {}).map(error);
    return { errors, errorSchema: toErrorSchema(errors) };
  },
  isValid(schema, data, root) {
    return problems({ ...schema, $defs: root?.$defs }, data).length === 0;
  },
  rawValidation(schema, data) {
    return { errors: problems(schema, data) };
  },
};
