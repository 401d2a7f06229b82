// The form of a schema, in the library that the address names. All that is submitted appears as JSON.
import Form from "@rjsf/core";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { SchemaForm } from "../../../examples/form/form.jsx";
import { JsonFormsForm } from "../../../examples/form/json-forms.jsx";
import validator from "../../../examples/form/validator.js";

const PlainForm = ({ schema, onSubmit }) => (
  <Form
    schema={schema}
    validator={validator}
    onSubmit={({ formData }) => onSubmit(formData)}
    onError={() => {}}
    noHtml5Validate
    omitExtraData
  />
);
const LIBRARIES = { plain: PlainForm, rjsf: SchemaForm, jsonforms: JsonFormsForm };

function Page({ schema, choices }) {
  const [submitted, setSubmitted] = useState([]);
  const add = (data) => setSubmitted((all) => [...all, data]);
  const Library = LIBRARIES[location.pathname.split("/")[1]];
  return (
    <>
      <Library schema={schema} choices={choices} onSubmit={add} />
      <output>{JSON.stringify(submitted)}</output>
    </>
  );
}

const { schema, choices } = await (await fetch("schema.json")).json();
createRoot(document.querySelector("main")).render(<Page schema={schema} choices={choices} />);
