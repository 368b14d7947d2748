// node_net.js -- an echo server on Node's net.
//
//     node node_net.js PORT
//
// One JavaScript thread (V8 has some more for its garbage). A socket piped into itself is Node's own echo: it
// heeds back-pressure, and ends its side when the peer has ended and everything is written.
//
// SPDX-License-Identifier: MIT
'use strict';

const net = require('net');

const options = { noDelay: true, allowHalfOpen: true, highWaterMark: 64 * 1024 };

const server = net.createServer(options, (socket) => {
  socket.on('error', () => socket.destroy()); // a reset is the client's right
  socket.pipe(socket);
});

server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 }, () => {
  process.stderr.write(`listening on 127.0.0.1:${server.address().port}\n`);
});
