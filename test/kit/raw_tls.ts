/** ClientHellos by hand (RFC 5246, 7.4.1.2), for suites that no living library still offers. */

export interface ServerAnswer {
  /** A ServerHello's suite, or null. */
  readonly cipher: number | null;
  readonly compression: number | null;
  /** An alert's description, or null. */
  readonly alert: number | null;
}

export interface Hello {
  readonly ciphers: readonly number[];
  readonly compressions?: readonly number[];
  /** 0x0303 is TLS 1.2. */
  readonly version?: number;
}

/** Says hello, and reads the first record of the answer. */
export async function sayHello(port: number, hello: Hello): Promise<ServerAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ServerAnswer>();
  let held = Buffer.alloc(0);
  const read = (): void => {
    if (held.length >= 5 && held.length >= 5 + held.readUInt16BE(3)) resolve(answerOf(held));
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (one) => void one.write(helloOf(hello)),
      data: (_one, bytes) => {
        held = Buffer.concat([held, bytes]);
        read();
      },
      close: () => reject(new Error("closed without an answer")),
    },
  });
  const answer = await promise;
  socket.terminate();
  return answer;
}

function answerOf(record: Buffer): ServerAnswer {
  const none = { cipher: null, compression: null, alert: null };
  if (record[0] === 0x15) return { ...none, alert: record[6]! };
  if (record[0] !== 0x16 || record[5] !== 2) return none;
  // Header of record and handshake, version, random, session id.
  const after = 5 + 4 + 2 + 32 + 1 + record[5 + 4 + 2 + 32]!;
  return { ...none, cipher: record.readUInt16BE(after), compression: record[after + 2]! };
}

function helloOf({ ciphers, compressions = [0], version = 0x0303 }: Hello): Buffer {
  const extensions = Buffer.concat([
    // P-256 and its points; ECDSA and RSA with SHA-256.
    extension(10, [0, 4, 0, 23, 0, 29]),
    extension(11, [1, 0]),
    extension(13, [0, 4, 4, 3, 4, 1]),
  ]);
  const body = Buffer.concat([
    word(version),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    word(ciphers.length * 2),
    ...ciphers.map(word),
    Buffer.from([compressions.length, ...compressions]),
    word(extensions.length),
    extensions,
  ]);
  const length = body.length;
  const message = Buffer.concat([Buffer.from([1, 0, length >> 8, length & 255]), body]);
  return Buffer.concat([Buffer.from([0x16]), word(0x0301), word(message.length), message]);
}

function extension(type: number, bytes: readonly number[]): Buffer {
  return Buffer.concat([word(type), word(bytes.length), Buffer.from(bytes)]);
}

function word(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
