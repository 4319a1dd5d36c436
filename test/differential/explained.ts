/** Requests that we pass on and two of HAProxy, nginx and Envoy refuse, and why. */
export const EXPLAINED: Readonly<Record<string, string>> = {
  "A method of its own":
    "any token is a method (RFC 9110, 9.1); which ones an app takes is the app's to say, or a " +
    "route's that matches by method.",
  'the line "get / HTTP/1.1"':
    "methods are case-sensitive (RFC 9110, 9.1), so `get` is a method of its own, and goes on as it is.",
  "Absolute form without a path":
    "the path is then `/` (RFC 9112, 3.2.2), and goes on in origin form.",
  "An upgrade": "an app that switches protocols can do so; the others need a setting for it.",
  "Asterisk form": "OPTIONS of the server as a whole (RFC 9112, 3.2.4).",
  'the line "OPTIONS * HTTP/1.1"': "OPTIONS of the server as a whole (RFC 9112, 3.2.4).",
};
