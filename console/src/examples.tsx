// Fills in the form with an example of the manifest.

import { inputsOf, schemaOf, toValue, type Values } from "./inputs";
import type { Action, Schema } from "./types";

export function Examples({
  action,
  schema,
  onValues,
}: {
  action: Action;
  schema: Schema;
  onValues: (values: Values) => void;
}) {
  if (!action.examples?.length) return null;
  return (
    <div class="examples">
      Example:
      {action.examples.map(({ name, inputs }) => (
        <button
          type="button"
          class="link"
          key={name}
          onClick={() => {
            const found: Values = {};
            for (const input of inputsOf(action)) {
              const value = toValue(input, schemaOf(input, schema), inputs[input.key]);
              if (value !== undefined) found[input.key] = value;
            }
            onValues(found);
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
