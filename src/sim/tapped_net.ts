import type { DialHandler, Net, Socket, World } from "../base/world.ts";

/**
 * The same world, but that `sent` hears of the start of every request that is written to a
 * connection made in it, at the moment of the write: what comes later may be late, not wrong.
 */
export function tapped(world: World, sent: (host: string, target: string) => void): World {
  const connect: Net["connect"] = (address, handler, ...rest) => {
    const host = "host" in address ? address.host : "";
    const own: DialHandler = {
      onOpen: (socket) => handler.onOpen(tappedSocket(socket, (target) => sent(host, target))),
      onData: (bytes) => handler.onData(bytes),
      onDrain: () => handler.onDrain(),
      onEnd: () => handler.onEnd(),
      onClose: (error) => handler.onClose(error),
      onConnectError: (error) => handler.onConnectError(error),
    };
    return world.net.connect(address, own, ...rest);
  };
  return { ...world, net: instead(world.net, { connect }) };
}

const REQUEST = /^(?:GET|HEAD|PUT|POST) (\S+) HTTP\/1\.1\r\n/;
/** The longest start of a request that the callers send. */
const START_BYTES = 100;

function tappedSocket(socket: Socket, sent: (target: string) => void): Socket {
  const write: Socket["write"] = (bytes, start, length) => {
    const text = Buffer.from(bytes.subarray(start, start + Math.min(length, START_BYTES)));
    const target = REQUEST.exec(text.toString("latin1"))?.[1];
    const taken = socket.write(bytes, start, length);
    if (target !== undefined && taken > 0) sent(target);
    return taken;
  };
  return instead(socket, { write });
}

/** All of `target` but for some members; its methods still run on itself. */
function instead<Target extends object>(target: Target, members: Partial<Target>): Target {
  return new Proxy(target, {
    get(_target, key) {
      if (Object.hasOwn(members, key)) return members[key as keyof Target];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
