import type { ProxyEvent } from "../api/stats.ts";
import { Timeouts } from "../base/timeouts.ts";
import type { Clock, Net, Random, World } from "../base/world.ts";
import { Overload } from "./overload.ts";
import { Sightings } from "./sightings.ts";
import { Scratch } from "./socket_writer.ts";
import { AccessLog } from "./telemetry/access_log.ts";
import { EventLog, eventLine } from "./telemetry/events.ts";
import { RecentFailures } from "./watch/recent_failures.ts";

/** What every part of one proxy shares. */
export class ProxyContext {
  readonly world: World;
  readonly clock: Clock;
  readonly net: Net;
  readonly random: Random;
  readonly timeouts: Timeouts;
  readonly scratch = new Scratch();
  readonly events: EventLog;
  readonly accessLog: AccessLog;
  readonly overload: Overload;
  readonly failures: RecentFailures;
  readonly sightings: Sightings;

  constructor(
    world: World,
    log: (line: string) => void,
    tell: (event: ProxyEvent) => void = (event) => log(eventLine(event)),
  ) {
    this.world = world;
    this.clock = world.clock;
    this.net = world.net;
    this.random = world.random;
    this.timeouts = new Timeouts(world.clock);
    this.failures = new RecentFailures(world.clock);
    this.events = new EventLog(world.clock, tell);
    const { events } = this;
    this.sightings = new Sightings(world.clock, (cluster, text) => {
      events.add("malformed-response", cluster, text);
    });
    this.overload = new Overload({
      clock: world.clock,
      files: world.files,
      residentBytes: () => world.processes.self.usage().residentBytes,
      changed: (reason, detail) => {
        if (reason === null) events.add("overload-ended", "", "requests are taken again");
        else events.add("overload-started", reason, `new requests are refused: ${detail}`);
      },
    });
    this.accessLog = new AccessLog(world.clock, world.random, log);
  }
}
