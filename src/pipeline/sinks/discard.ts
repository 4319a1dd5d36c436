import { object } from "../../schema/field.ts";
import type { SinkDefinition } from "../component.ts";

export const discard: SinkDefinition<object> = {
  name: "discard",
  summary: "Takes every event and does nothing: for measuring, and for what only steps look at.",
  status: "stable",
  security: "Events are gone and count as delivered.",
  config: object({}),
  examples: [{ title: "Nothing comes out", config: {}, lines: ["one", "two"], stdout: "" }],
  create: (_, { queue }) => ({
    wake: () => queue.deliverAll(),
    drain: () => {},
    close: () => {},
  }),
};
