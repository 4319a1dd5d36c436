/** Where errors go that nobody caught: to whoever asked, else to stderr, and never out of it. */
export class Uncaught {
  #reports: ((error: unknown) => void)[] = [];

  add(report: (error: unknown) => void): void {
    if (this.#reports.length === 0) {
      process.on("uncaughtException", (error) => this.report(error));
      process.on("unhandledRejection", (error) => this.report(error));
    }
    this.#reports.push(report);
  }

  report(error: unknown): void {
    if (this.#reports.length === 0) {
      console.error("Uncaught error:", error);
      return;
    }
    for (const report of this.#reports) {
      try {
        report(error);
      } catch (second) {
        console.error("Uncaught error:", error, "and while it was reported:", second);
      }
    }
  }
}
