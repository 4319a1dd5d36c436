import type { SocketHandler } from "../world.ts";
import { inWords, netError } from "./net_error.ts";
import { Secure } from "./socket.ts";
import type { BunSocket, RawSocket } from "./socket.ts";
import { BunTlsState, isTlsFault, tlsError, untrusted, verifyCallee } from "./tls.ts";
import type { RawTlsFault, RawTlsSocket } from "./tls.ts";
import type { Uncaught } from "./uncaught.ts";

/** Rare enough to be apart: the plain close is on the hot path of short connections. */
export function closeSecure(
  socket: BunSocket,
  secure: Secure,
  handler: SocketHandler,
  error: unknown,
): void {
  const doing = `the TLS handshake with ${socket.remoteAddress}`;
  const wasHandshaking = secure.end();
  if (wasHandshaking && !socket.released) secure.failure ??= tlsError(null, doing);
  const { failure } = secure;
  if (socket.dial !== null) {
    // A dial that was given up hears nothing of it.
    if (failure !== null) socket.dial.fail(failure);
    return;
  }
  if (failure === null && !error && !socket.peerEnded && !socket.released) handler.onEnd();
  socket.peerEnded = true;
  handler.onClose(failure ?? (error ? netError(error, "the connection") : null));
}

type TlsEvents = Partial<Bun.SocketHandler<BunSocket>>;

/** What callers' handshakes have besides the common events. */
export function tlsListenEvents(uncaught: Uncaught): TlsEvents {
  return {
    error(raw, error) {
      tlsEventError(raw, error, uncaught);
    },
  };
}

/** Bun tells alerts here that come after a handshake; or a handler threw. */
function tlsEventError(raw: RawSocket, error: RawTlsFault & Error, uncaught: Uncaught): void {
  const socket = raw.data as BunSocket | undefined;
  if (socket?.secure && isTlsFault(error)) {
    socket.secure.failure ??= tlsError(error, `the TLS connection with ${socket.remoteAddress}`);
  } else {
    uncaught.report(error);
  }
  socket?.terminate();
}

export function tlsDialEvents(uncaught: Uncaught): TlsEvents {
  const events = {
    open(raw: RawSocket) {
      const socket = raw.data;
      const dial = socket.dial!;
      socket.raw = raw;
      if (dial.isForgotten) {
        dial.opened();
        return;
      }
      const tls = dial.tls!;
      socket.secure = new Secure(socket, tls.handshakeTimeoutMs, tls);
      const session = tls.sessions?.take() ?? null;
      if (session !== null) tlsOf(raw).setSession(session);
    },
    handshake(raw: RawSocket, isDone: boolean, error: RawTlsFault | null) {
      const socket = raw.data;
      const { secure, dial } = socket;
      if (secure === null || dial === null || !secure.end()) return;
      const fault = error ?? null;
      const doing = `the TLS handshake with ${inWords(dial.address)}`;
      // A wrong name is told as a handshake that is not done.
      const isOurs = isDone || fault?.code === "ERR_TLS_CERT_ALTNAME_INVALID";
      const refusal = isOurs ? verifyCallee(secure.client!, fault) : null;
      if (!isOurs || refusal !== null) {
        const refused = refusal === null ? tlsError(fault, doing) : untrusted(refusal, doing);
        dial.fail(secure.failure ?? refused);
        raw.terminate();
        return;
      }
      secure.state = new BunTlsState(tlsOf(raw), fault, true);
      dial.opened();
    },
    session(raw: RawSocket, session: Uint8Array) {
      raw.data.secure?.client?.sessions?.keep(session);
    },
    error(raw: RawSocket, error: RawTlsFault & Error) {
      tlsEventError(raw, error, uncaught);
    },
  };
  return events as TlsEvents;
}

export function tlsOf(raw: RawSocket): RawTlsSocket {
  return raw as unknown as RawTlsSocket;
}
