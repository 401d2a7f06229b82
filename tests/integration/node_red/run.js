"use strict";
// Runs Node-RED with the folder of its settings and nodes; prints its address.

const http = require("node:http");
const express = require("express");
const RED = require("node-red");

const app = express();
const server = http.createServer(app);
RED.init(server, {
    userDir: process.argv[2],
    httpAdminRoot: "/",
    httpNodeRoot: "/in",
    credentialSecret: "of the tests",
    editorTheme: { tours: false, multiplayer: { enabled: false } },
    telemetry: { enabled: false, updateNotification: false },
    externalModules: { palette: { allowInstall: false } },
    logging: { console: { level: "warn" } },
});
// A deployment is answered before its flows have started.
let started = 0;
RED.events.on("flows:started", () => { started += 1; });
app.get("/started", (request, response) => response.json(started));
app.use("/", RED.httpAdmin);
app.use("/in", RED.httpNode);
server.listen(0, "127.0.0.1", async () => {
    await RED.start();
    console.log(`Node-RED serves at http://127.0.0.1:${server.address().port}`);
});
