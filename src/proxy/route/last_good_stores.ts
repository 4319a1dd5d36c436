import type { ListenerPolicy, RoutePolicy } from "../../api/snapshot.ts";
import { LastGoodStore } from "./last_good.ts";

/**
 * The stores of all routes: an unchanged route keeps its own under a new Snapshot. A route that
 * changed, where its requests go for one, starts anew.
 */
export class LastGoodStores {
  readonly #stores = new Map<string, LastGoodStore>();

  storeOf(listener: string, route: RoutePolicy): LastGoodStore | null {
    const policy = route.fallback?.lastGood;
    if (policy === undefined) return null;
    const key = keyOf(listener, route);
    let store = this.#stores.get(key);
    if (store === undefined) {
      store = new LastGoodStore(policy);
      this.#stores.set(key, store);
    }
    return store;
  }

  keepOnly(listeners: Readonly<Record<string, ListenerPolicy>>): void {
    if (this.#stores.size === 0) return;
    const kept = new Set<string>();
    for (const [name, { routes }] of Object.entries(listeners)) {
      for (const route of routes) kept.add(keyOf(name, route));
    }
    for (const key of this.#stores.keys()) if (!kept.has(key)) this.#stores.delete(key);
  }
}

function keyOf(listener: string, route: RoutePolicy): string {
  return JSON.stringify([listener, route]);
}
