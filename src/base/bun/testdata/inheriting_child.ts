/** Listens on what its parent gave it as descriptor 3: HOST PORT. */
import { createBunWorld } from "../mod.ts";

const [host = "", port = ""] = process.argv.slice(2);
const { net } = createBunWorld();
net.handover.inherit([{ host, port: Number(port), descriptor: 3 }]);
net.listen({ address: { host, port: Number(port) } }, () => ({
  onOpen(socket) {
    socket.write(Buffer.from("new"), 0, 3);
    socket.close();
  },
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
}));
console.log("listening", net.handover.listening().length, net.handover.take().length);
