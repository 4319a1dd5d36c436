import type { DirectAnswer, FilterComponent } from "./filter.ts";

/** Answers itself; nothing is asked. */
export const respond: FilterComponent = {
  name: "respond",
  summary: "Gives a fixed answer instead of passing requests on.",
  status: "stable",
  security: "The answer comes from the file.",
  create: (config) => {
    const answer = config as unknown as DirectAnswer;
    return { onRequestHeaders: () => answer };
  },
};
