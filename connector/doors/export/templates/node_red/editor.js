// The forms of the nodes, drawn from `definition`.
const SERVER = `${definition.key}-server`;

RED.nodes.registerType(SERVER, {
    category: "config",
    defaults: {
        name: { value: "" },
        url: {
            value: "http://127.0.0.1:8791",
            required: true,
            validate: (text) => /^https?:\/\/[^\s/]+/.test(text),
        },
        connection: { value: "", required: true },
    },
    credentials: { token: { type: "password" } },
    label() {
        return this.name || (this.connection ? `${this.connection} at ${this.url}` : definition.label);
    },
});

for (const action of definition.actions) {
    RED.nodes.registerType(action.type, {
        category: definition.label,
        color: "#c7d8f2",
        icon: "connector.png",
        inputs: 1,
        outputs: 2,
        outputLabels: ["result", "failure"],
        paletteLabel: action.label,
        defaults: {
            name: { value: "" },
            server: { type: SERVER, required: true },
            values: { value: initial(action), validate: (values) => isComplete(action, values) },
        },
        label() {
            return this.name || action.label;
        },
        labelStyle() {
            return this.name ? "node_label_italic" : "";
        },
        oneditprepare() {
            const place = $("#dialog-form .connector-inputs");
            const advanced = $("<details>").append($("<summary>").text("Advanced"));
            for (const item of action.inputs) {
                row(item, this.values[item.key] || initialOf(item)).appendTo(
                    item.advanced ? advanced : place,
                );
            }
            if (advanced.children().length > 1) {
                place.append(advanced);
            }
            for (const item of action.inputs) {
                draw(item, this.values[item.key] || initialOf(item));
            }
        },
        oneditsave() {
            this.values = Object.fromEntries(action.inputs.map((item) => {
                const field = $(`#connector-${item.key}`);
                return [item.key, { type: field.typedInput("type"), value: field.typedInput("value") }];
            }));
        },
    });
}

function initialOf(item) {
    return { type: item.initialType, value: item.initial };
}

function initial(action) {
    return Object.fromEntries(action.inputs.map((item) => [item.key, initialOf(item)]));
}

function isComplete(action, values) {
    return action.inputs.every((item) => !item.required || (values[item.key] || {}).value !== "");
}

function row(item, { type, value }) {
    const id = `connector-${item.key}`;
    return $("<div>", { class: "form-row connector-row" }).append(
        $("<label>", { for: id }).text(item.label),
        $("<input>", { type: "text", id, class: "connector-value", placeholder: item.placeholder })
            .css("width", "100%").val(value),
        $("<div>", { class: "connector-comment" }).text(item.comments),
    );
}

function draw(item, { type, value }) {
    const field = $(`#connector-${item.key}`);
    field.typedInput({ types: item.types.map((name) => typeOf(name, item, field)) });
    field.typedInput("type", type);
    field.typedInput("value", value);
}

/** Return a type of typed input; a blank field is allowed, and means that nothing is sent. */
function typeOf(name, item, field) {
    const icon = (file) => `red/images/typedInput/${file}.svg`;
    if (name === "choice") {
        return { value: name, label: "choice", icon: "fa fa-list", options: item.options };
    }
    if (name === "num") {
        const validate = (text) => text === "" || !Number.isNaN(Number(text));
        return { value: name, label: "number", icon: icon("09"), validate };
    }
    if (name === "json") {
        const expand = () => RED.editor.editJSON({
            value: indented(field.typedInput("value")),
            complete: (text) => field.typedInput("value", text),
        });
        return { value: name, label: "JSON", icon: icon("json"), validate: isJson, expand };
    }
    if (name === "str" && item.source) {
        const expand = () => field.siblings().find(".red-ui-typedInput-input").trigger("focus")
            .trigger($.Event("keyup", { keyCode: 40 }));
        const autoComplete = (text, done) => choices(item.source).then((found) => {
            const isChosen = found.some(({ value }) => value === text);
            done(found.filter(({ label }) => isChosen || label.includes(text)));
        });
        return { value: name, label: "string", icon: icon("az"), autoComplete, expand };
    }
    return name;
}

/** Return the choices that the server of the open dialog offers; none, with a notice, if it fails. */
async function choices(source) {
    const server = $("#node-input-server").val();
    const found = await $.getJSON(`${definition.key}/${server}/options/${source}`);
    if (!found.choices) {
        RED.notify($("<span>").text(`${definition.label}: ${found.message}`).html(), "warning");
        return [];
    }
    return found.choices.map(({ key, label }) => ({ value: key, label }));
}

function isJson(text) {
    try {
        return text === "" || JSON.parse(text) !== undefined;
    } catch {
        return false;
    }
}

function indented(text) {
    return text && isJson(text) ? JSON.stringify(JSON.parse(text), null, 4) : text;
}
