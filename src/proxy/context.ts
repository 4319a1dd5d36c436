import { Timeouts } from "../base/timeouts.ts";
import type { Clock, Net, Random, World } from "../base/world.ts";
import { Scratch } from "./socket_writer.ts";
import { AccessLog } from "./telemetry/access_log.ts";
import { EventLog } from "./telemetry/events.ts";

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

  constructor(world: World, log: (line: string) => void) {
    this.world = world;
    this.clock = world.clock;
    this.net = world.net;
    this.random = world.random;
    this.timeouts = new Timeouts(world.clock);
    this.events = new EventLog(world.clock, log);
    this.accessLog = new AccessLog(world.clock, log);
  }
}
