import type { Step } from "outrigger/pipeline";

/** An order has its total from here on; what is no order passes by, one without a price is dropped. */
const price: Step = (event, ctx) => {
  if (event["event"] !== "order") return event;
  if (typeof event["price"] !== "number") return ctx.drop("no-price");
  return { ...event, total: Math.round(event["price"] * (event["quantity"] ?? 1) * 100) / 100 };
};

export default price;
