/** A bulk API that remembers every document in the order in which it came, twice or not. */
export class BulkSink {
  readonly documents: Record<string, unknown>[] = [];
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      if (!new URL(request.url).pathname.endsWith("/_bulk")) return Response.json({});
      const lines = (await request.text()).split("\n").filter((line) => line !== "");
      const items: unknown[] = [];
      for (let n = 0; n < lines.length; n += 2) {
        const [verb] = Object.keys(JSON.parse(lines[n]!) as object);
        this.documents.push(JSON.parse(lines[n + 1]!) as Record<string, unknown>);
        items.push({ [verb!]: { status: 201 } });
      }
      return Response.json({ took: 1, errors: false, items });
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }
}
