// A receiver in Node. Its argument is keepAliveTimeout in milliseconds; without one it has
// Node's default. It prints its address, and ends with its standard input.
//
// The response is the number of its connection. The path /chunked asks for chunks, and
// /close for the end of the connection. /early is answered before the request is read.
import { createServer } from "node:http";

const [timeout] = process.argv.slice(2);
let connections = 0;
const server = createServer((request, response) => {
	if (request.url === "/early") {
		response.writeHead(413, { Connection: "close", "Content-Length": 3 }).end("413");
		return;
	}
	request.resume().on("end", () => {
		const number = `${request.socket.number}`;
		response.setHeader("Content-Type", "text/plain");
		if (request.url === "/close") response.setHeader("Connection", "close");
		if (request.url !== "/chunked") response.setHeader("Content-Length", number.length);
		if (request.url === "/chunked") response.write(number.slice(0, 1));
		response.end(request.url === "/chunked" ? number.slice(1) : number);
	});
});
server.on("connection", (socket) => (socket.number = ++connections));
if (timeout) server.keepAliveTimeout = Number(timeout);
server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => {
	console.log(`127.0.0.1:${server.address().port}`);
});
process.stdin.resume().on("end", () => process.exit());
