/** Reports when to check the connection: the network changed, or the page became visible again. */

/**
 * @param {object} then
 * @param {() => void} then.moved The path changed: connections that look open may be broken.
 * @param {() => void} then.seen The page is visible. Timers of hidden pages fire late; this event does not.
 * @param {AbortSignal} signal Ends the watch.
 */
export function watchNetwork({ moved, seen }, signal) {
  globalThis.addEventListener?.('online', moved, { signal });
  // Chromium fires this event for each new estimate of the speed, too. Only another type of network counts.
  const network = /** @type {any} */ (globalThis.navigator)?.connection;
  let kind = network?.type;
  const changed = () => {
    if (kind === network.type || network.type === 'none') return;
    kind = network.type;
    moved();
  };
  network?.addEventListener?.('change', changed, { signal });
  const looked = () => document.visibilityState === 'visible' && seen();
  globalThis.document?.addEventListener('visibilitychange', looked, { signal });
}
