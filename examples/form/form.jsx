// A form for the schema of an action or a connection, with @rjsf/core.
import Form, { RichDescription } from "@rjsf/core";
import { useState } from "react";
import validator from "./validator.js";

// `choices` has the options of each data source: `{selectModel: [{key, label}, …]}`.
export function SchemaForm({ schema, choices = {}, onSubmit, onError = () => {} }) {
  return (
    <Form
      schema={shown(schema, choices)}
      uiSchema={uiSchema(schema)}
      validator={{ ...validator, validateFormData: (data) => validator.validateFormData(data, schema) }}
      fields={{ json: JsonField }}
      templates={{ ObjectFieldTemplate: Inputs }}
      showErrorList={false}
      noHtml5Validate
      // A list that is not required stays absent: rjsf would add empty items up to `minItems`.
      experimental_defaultFormStateBehavior={{ arrayMinItems: { populate: "requiredOnly" } }}
      onSubmit={({ formData }) => onSubmit(formData)}
      onError={onError}
    />
  );
}

// The order of the inputs, and the control of each. Secrets need none: rjsf knows `format: password`.
export function uiSchema({ properties }) {
  const inputs = Object.entries(properties);
  inputs.sort(([, one], [, other]) => one["x-order"] - other["x-order"]);
  const controls = inputs.map(([key, input]) => [key, control(input)]);
  return { "ui:order": inputs.map(([key]) => key), ...Object.fromEntries(controls) };
}

function control(input) {
  const comments = input["x-comments"] ?? input.description;
  const ui = { "ui:description": comments, "ui:enableMarkdownInDescription": true };
  if (input["x-control"] === "textarea") ui["ui:widget"] = "textarea";
  if (input["x-control"] === "json") ui["ui:field"] = "json";
  return ui;
}

// What rjsf shows of the schema. It is not told the parts of JSON inputs: it would fill them in.
function shown(schema, choices) {
  const inputs = Object.entries(schema.properties).map(([key, input]) => {
    if (input["x-control"] === "json") {
      const { properties, items, allOf, if: condition, then, ...rest } = input;
      return [key, rest];
    }
    // Suggestions, not an enum: a deployment may have any name.
    const options = choices[input["x-data-source"]];
    return [key, options ? { ...input, examples: options.map((option) => option.key) } : input];
  });
  return { ...schema, properties: Object.fromEntries(inputs) };
}

// Advanced inputs are folded.
function Inputs({ title, description, properties, schema, fieldPathId }) {
  const isAdvanced = ({ name }) => schema.properties?.[name]?.["x-advanced"];
  const advanced = properties.filter(isAdvanced);
  return (
    <fieldset id={fieldPathId.$id}>
      <legend>{title}</legend>
      {description && <p>{description}</p>}
      {properties.filter((property) => !isAdvanced(property)).map(({ content }) => content)}
      {advanced.length > 0 && (
        <details>
          <summary>Advanced</summary>
          {advanced.map(({ content }) => content)}
        </details>
      )}
    </fieldset>
  );
}

// Arrays and objects as JSON text. What is no JSON is kept as text, for the validator to judge.
function JsonField({ schema, uiSchema, formData, onChange, fieldPathId, required, registry }) {
  const [text, setText] = useState(() => written(formData));
  const id = fieldPathId.$id;
  const change = (event) => {
    setText(event.target.value);
    onChange(read(event.target.value), fieldPathId.path);
  };
  return (
    <>
      <label htmlFor={id}>
        {schema.title}
        {required && <span className="required">*</span>}
      </label>
      <div id={`${id}__description`} className="field-description">
        <RichDescription
          description={uiSchema["ui:description"]}
          uiSchema={uiSchema}
          registry={registry}
        />
      </div>
      <textarea
        id={id}
        className="json"
        rows={Math.min(12, Math.max(3, text.split("\n").length + 1))}
        spellCheck={false}
        value={text}
        onChange={change}
        aria-describedby={`${id}__description`}
      />
    </>
  );
}

export function written(value) {
  if (value === undefined || typeof value === "string") return value ?? "";
  if (!Array.isArray(value)) return JSON.stringify(value, null, 2);
  // One line an item, with the spaces that people write. rjsf may have added empty items.
  const items = value.filter((item) => item !== undefined);
  if (items.length === 0) return "";
  const lines = items.map((item) => `  ${JSON.stringify(item, null, 1).replace(/\n\s*/g, " ")}`);
  return `[\n${lines.join(",\n")}\n]`;
}

export function read(text) {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
