import type { Field } from "../schema/field.ts";
import { text } from "../schema/field.ts";

/** RFC 1123's label, as Kubernetes wants names: lower case, digits, "-", at most 63. */
export const LABEL_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const LABEL_EXPECTED =
  'a name such as "api-2": lower case letters, digits and "-", at most 63, no "-" at the ends';

/** A DNS label. */
export function label(): Field<string> {
  return text({
    pattern: LABEL_PATTERN,
    expected: LABEL_EXPECTED,
    advise: (written) => {
      const meant = written
        .toLowerCase()
        .replaceAll(/[^a-z0-9-]+/g, "-")
        .replaceAll(/^-+|-+$/g, "")
        .slice(0, 63);
      return LABEL_PATTERN.test(meant) ? `for example "${meant}"` : null;
    },
  });
}

export const APP_REFERENCE_PATTERN =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** `api`, or `shop/api` for another namespace. */
export function appReference(): Field<string> {
  return text({
    pattern: APP_REFERENCE_PATTERN,
    expected: 'the name of an App such as "api", or "shop/api" for another namespace',
  });
}

/** Splits what `appReference` accepted. */
export function parseAppReference(
  written: string,
  namespace: string,
): { readonly namespace: string; readonly name: string } {
  const slash = written.indexOf("/");
  if (slash < 0) return { namespace, name: written };
  return { namespace: written.slice(0, slash), name: written.slice(slash + 1) };
}

const HOST_NAME =
  "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*";

export const HOST_PATTERN = new RegExp(`^${HOST_NAME}$`);

/** A host name or an IPv4 address, without a port. */
export function hostName(): Field<string> {
  return text({
    pattern: HOST_PATTERN,
    expected: 'a host name such as "api.example.com"',
    maxLength: 253,
    advise: hostAdvice,
  });
}

export const HOST_MATCH_PATTERN = new RegExp(`^(?:\\*|(?:\\*\\.)?${HOST_NAME})$`);

/** A host name that may start with `*.`, or `*` for any. */
export function hostMatch(): Field<string> {
  return text({
    pattern: HOST_MATCH_PATTERN,
    expected: 'a host name such as "shop.example.com", "*.example.com" or "*" (any)',
    maxLength: 253,
    advise: hostAdvice,
  });
}

function hostAdvice(written: string): string | null {
  if (/^[a-z]+:\/\//i.test(written)) return "leave the scheme and the path out";
  if (/:\d+$/.test(written)) return "leave the port out";
  if (written !== written.toLowerCase()) return `write "${written.toLowerCase()}"`;
  if (written.endsWith(".")) return "leave the last dot out";
  return null;
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`. */
export const ENDPOINT_PATTERN = endpointPattern();

function endpointPattern(): RegExp {
  const byte = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
  const address = `(?:(?:${byte}\\.){3}${byte}|\\[[0-9a-fA-F:.]{2,45}\\])`;
  const port = "(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";
  return new RegExp(`^${address}:${port}$`);
}

/** An IP address with a port; parsed to its two parts. */
export function endpoint(): Field<{ readonly host: string; readonly port: number }> {
  return text({
    pattern: ENDPOINT_PATTERN,
    expected: 'an address with a port such as "10.0.0.1:80" or "[2001:db8::1]:80"',
    advise: (written) =>
      /^[a-z0-9.-]+(:\d+)?$/i.test(written) && /[a-z]/i.test(written)
        ? "for a name use host and port instead of endpoints"
        : null,
  }).as((written) => {
    const colon = written.lastIndexOf(":");
    return {
      host: written.slice(0, colon).replaceAll(/[[\]]/g, ""),
      port: Number(written.slice(colon + 1)),
    };
  });
}
