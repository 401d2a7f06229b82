// Shows the form of schema.json. Submitting it shows the payload for `connector invoke`.
import { createRoot } from "react-dom/client";
import { useState } from "react";
import { SchemaForm } from "./form.jsx";

async function json(name) {
  const response = await fetch(name);
  return response.ok ? response.json() : undefined;
}

function Page({ schema, choices }) {
  const [payload, setPayload] = useState();
  return (
    <>
      <SchemaForm schema={schema} choices={choices} onSubmit={(inputs) => setPayload({ inputs })} />
      {payload && <pre>{JSON.stringify(payload, null, 2)}</pre>}
    </>
  );
}

const schema = await json("schema.json");
const sources = Object.values(schema.properties).flatMap((input) => input["x-data-source"] ?? []);
const choices = Object.fromEntries(
  await Promise.all(sources.map(async (source) => [source, await json(`${source}.json`)])),
);
createRoot(document.querySelector("main")).render(<Page schema={schema} choices={choices} />);
