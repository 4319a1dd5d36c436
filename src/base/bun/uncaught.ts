/** Where errors go that nobody caught: to whoever asked, else to stderr, and never out of it. */
export class Uncaught {
  /** The newest first. */
  #reports: ((error: unknown) => unknown)[] = [];

  add(report: (error: unknown) => unknown): void {
    if (this.#reports.length === 0) {
      process.on("uncaughtException", (error) => this.report(error));
      process.on("unhandledRejection", (error) => this.report(error));
    }
    this.#reports.unshift(report);
  }

  report(error: unknown): void {
    if (this.#reports.length === 0) {
      console.error("Uncaught error:", error);
      return;
    }
    for (const report of this.#reports) {
      try {
        if (report(error) === true) return;
      } catch (second) {
        console.error("Uncaught error:", error, "and while it was reported:", second);
      }
    }
  }
}
