"use strict";
// Runs the actions of a connector over HTTP; `connector serve` is the server.
// Made by `connector export node-red`: do not edit, export it again.

const http = require("node:http");
const https = require("node:https");
const definition = require("./definition.json");

const SERVER = `${definition.key}-server`;

module.exports = function (RED) {
    function ServerNode(config) {
        RED.nodes.createNode(this, config);
        this.connection = config.connection;
        this.post = (path, inputs, signal) => {
            const body = { connection: this.connection, ...inputs };
            return post(config.url, path, body, this.credentials.token, signal);
        };
    }
    RED.nodes.registerType(SERVER, ServerNode, { credentials: { token: { type: "password" } } });

    for (const action of definition.actions) {
        RED.nodes.registerType(action.type, function (config) {
            RED.nodes.createNode(this, config);
            serve(this, action, config);
        });
    }

    function serve(node, action, config) {
        const running = new Set();

        node.on("input", async (msg, send, done) => {
            const abort = new AbortController();
            const started = Date.now();
            running.add(abort);
            node.status({ fill: "blue", shape: "ring", text: runningText(running.size) });
            let envelope;
            try {
                const inputs = await evaluate(node, action, config.values || {}, msg);
                const server = RED.nodes.getNode(config.server);
                if (!server) {
                    throw problem("invalid_connection", "Choose a server in this node.");
                }
                envelope = await server.post(`/v1/actions/${action.key}`, { inputs }, abort.signal);
            } catch (error) {
                envelope = failed(action.key, error, Date.now() - started);
            }
            running.delete(abort);
            if (abort.signal.aborted) { // this node is being replaced: nothing may leave it
                done();
                return;
            }
            node.status(running.size > 0
                ? { fill: "blue", shape: "ring", text: runningText(running.size) }
                : outcome(envelope));
            const { data, ...rest } = envelope;
            msg.connector = rest;
            if ("data" in envelope) {
                msg.payload = data;
            }
            if (envelope.ok) {
                send([msg, null]);
                done();
            } else if ((node.wires[1] || []).length > 0) {
                msg.error = envelope.error;
                send([null, msg]);
                done();
            } else { // nobody reads the second output: catch nodes and the log get it
                done(`${envelope.error.message} [${envelope.error.code}]`);
            }
        });

        node.on("close", (done) => {
            for (const abort of running) {
                abort.abort();
            }
            done();
        });
    }

    /** Return the inputs that are set, with the values that the message gives them. */
    async function evaluate(node, action, values, msg) {
        const inputs = {};
        for (const { key, label } of action.inputs) {
            const { type, value } = values[key] || {};
            if (type === undefined || value === "") {
                continue;
            }
            try {
                const found = plain(await property(value, type, node, msg));
                if (found !== undefined) {
                    inputs[key] = found;
                }
            } catch (error) {
                const message = `cannot be read as ${type}: ${error.message}`;
                throw problem("invalid_input", `${label} ${message}`, [
                    { path: `/inputs/${key}`, input: label, message },
                ]);
            }
        }
        return inputs;
    }

    function property(value, type, node, msg) {
        return new Promise((resolve, reject) => {
            RED.util.evaluateNodeProperty(value, type, node, msg, (error, found) => {
                if (error) {
                    reject(error);
                } else {
                    resolve(found);
                }
            });
        });
    }

    // For the editor: what a deployed server offers in a dropdown, or why it offers nothing.
    RED.httpAdmin.get(
        `/${definition.key}/:server/options/:source`,
        RED.auth.needsPermission(`${definition.key}.read`),
        async (request, response) => {
            const server = RED.nodes.getNode(request.params.server);
            if (!server || server.type !== SERVER) {
                response.json({ message: "Deploy the server first." });
                return;
            }
            const source = encodeURIComponent(request.params.source);
            try {
                const abort = AbortSignal.timeout(20_000);
                const envelope = await server.post(`/v1/options/${source}`, {}, abort);
                const { ok, data, error } = envelope;
                response.json(ok ? { choices: data } : { message: error.message });
            } catch (error) {
                response.json({ message: error.message });
            }
        },
    );
};

function runningText(count) {
    return count > 1 ? `${count} running` : "running";
}

function outcome({ ok, error, meta }) {
    if (!ok) {
        return { fill: "red", shape: "dot", text: error.code };
    }
    const tokens = meta.usage && meta.usage.total_tokens;
    const seconds = `${(meta.durationMs / 1000).toFixed(1)} s`;
    const text = tokens ? `${tokens} tokens, ${seconds}` : seconds;
    return { fill: "green", shape: "dot", text };
}

/** Return a value as JSON has it: a Buffer becomes a binary object. */
function plain(value) {
    if (Buffer.isBuffer(value)) {
        const data = value.toString("base64");
        return { contentType: "application/octet-stream", encoding: "base64", data };
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (value && typeof value === "object" && typeof value.toJSON !== "function") {
        return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
    }
    return value;
}

/** Return an error with the fields that those of a connector have. */
function problem(code, message, details, sent = "no", retryable = false) {
    const fields = { code, message, retryable, sent };
    return Object.assign(new Error(message), { fields: details ? { ...fields, details } : fields });
}

/** Return the envelope of a call that got no envelope from the server. */
function failed(action, error, durationMs) {
    const fields = error.fields || problem("internal_error", error.message).fields;
    const meta = { action, provider: null, attempts: 0, durationMs, requestId: null, warnings: [] };
    return { ok: false, error: fields, meta };
}

/** Post JSON and return the envelope of the response; there is no time limit but the server's. */
function post(base, path, value, token, signal) {
    return new Promise((resolve, reject) => {
        const headers = { "Content-Type": "application/json" };
        if (token) {
            headers.Authorization = `Bearer ${token}`;
        }
        let body, request;
        try {
            body = Buffer.from(JSON.stringify(value));
        } catch (error) {
            reject(problem("invalid_input", `The inputs are no JSON: ${error.message}`));
            return;
        }
        headers["Content-Length"] = body.length;
        try {
            const url = new URL(base.replace(/\/+$/, "") + path);
            const protocol = url.protocol === "https:" ? https : http;
            // A socket of its own: one that the server has just closed would lose the call.
            request = protocol.request(url, { method: "POST", headers, agent: false, signal });
        } catch (error) { // its message may quote the address
            const message = `The server's address or token cannot be used (${error.code || error.name}).`;
            reject(problem("invalid_connection", message));
            return;
        }
        let isSent = false;
        request.on("finish", () => { isSent = true; });
        const fail = (error) => reject(isSent
            ? problem("connection_lost", `The server hung up (${error.code}).`, null, "unknown", true)
            : problem("connect_failed", `The server cannot be reached (${error.code}).`, null, "no", true));
        request.on("error", fail);
        request.on("response", (response) => {
            const chunks = [];
            response.on("data", (chunk) => chunks.push(chunk));
            response.on("error", fail);
            response.on("end", () => {
                const envelope = parsed(Buffer.concat(chunks));
                if (envelope) {
                    resolve(envelope);
                } else {
                    const message = `HTTP ${response.statusCode}, and no connector's answer: check the server's address.`;
                    reject(problem("invalid_response", message, null, "unknown"));
                }
            });
        });
        request.end(body);
    });
}

function parsed(body) {
    try {
        const envelope = JSON.parse(body);
        const isWhole = envelope.ok === true || (envelope.ok === false && envelope.error.code);
        return isWhole && envelope.meta ? envelope : null;
    } catch {
        return null;
    }
}
