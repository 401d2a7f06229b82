// A form for the same schemas with JSON Forms.
import { isControl, rankWith, schemaMatches } from "@jsonforms/core";
import { JsonForms, withJsonFormsControlProps } from "@jsonforms/react";
import { vanillaCells, vanillaRenderers } from "@jsonforms/vanilla-renderers";
import Ajv2020 from "ajv/dist/2020";
import { useRef, useState } from "react";
import { read, written } from "./form.jsx";

// The default Ajv of JSON Forms knows only draft 7.
const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, formats: { password: true } });

export function JsonFormsForm({ schema, onSubmit }) {
  // Made once: JSON Forms starts anew from properties that change.
  const [data] = useState(() => defaults(schema));
  const [layout] = useState(() => uischema(schema));
  const state = useRef();
  // Beside `onChange`, which comes 10 ms after a change.
  const remember = (before, action, reduce) => (state.current = reduce(before, action));
  const submit = (event) => {
    event.preventDefault();
    if (state.current.errors.length === 0) onSubmit(state.current.data);
  };
  return (
    <form onSubmit={submit}>
      <JsonForms
        ajv={ajv}
        schema={schema}
        uischema={layout}
        data={data}
        renderers={renderers}
        cells={vanillaCells}
        config={{ showUnfocusedDescription: true }}
        middleware={remember}
      />
      <button type="submit">Submit</button>
    </form>
  );
}

// JSON Forms fills in no defaults.
function defaults({ properties }) {
  const inputs = Object.entries(properties).filter(([, input]) => "default" in input);
  return Object.fromEntries(inputs.map(([key, input]) => [key, input.default]));
}

function uischema({ properties }) {
  const inputs = Object.entries(properties);
  inputs.sort(([, one], [, other]) => one["x-order"] - other["x-order"]);
  const elements = inputs.map(([key, input]) => ({
    type: "Control",
    scope: `#/properties/${key}`,
    options: { format: input.format, multi: input["x-control"] === "textarea" },
  }));
  return { type: "VerticalLayout", elements };
}

function JsonControl({ id, label, description, data, path, handleChange, required }) {
  const [text, setText] = useState(() => written(data));
  const change = (event) => {
    setText(event.target.value);
    handleChange(path, read(event.target.value));
  };
  return (
    <div className="control">
      <label htmlFor={id}>
        {label}
        {required && "*"}
      </label>
      <textarea id={id} value={text} onChange={change} />
      <p>{description}</p>
    </div>
  );
}

const isJson = (schema) => ["json", "keyValueList"].includes(schema["x-control"]);
const renderers = [
  ...vanillaRenderers,
  {
    tester: rankWith(20, (...all) => isControl(all[0]) && schemaMatches(isJson)(...all)),
    renderer: withJsonFormsControlProps(JsonControl),
  },
];
