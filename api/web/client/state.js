/** The state of a room, derived from its two connections. Pure. */

/**
 * Returns one state for two connections, WebSocket and media.
 *
 * @param {'connecting' | 'connected' | 'reconnecting' | 'closed'} before
 * @param {boolean} isWell True: both are connected.
 * @returns {'connecting' | 'connected' | 'reconnecting' | 'closed'}
 */
export function overall(before, isWell) {
  if (before === 'closed') return 'closed';
  if (isWell) return 'connected';
  return before === 'connecting' ? 'connecting' : 'reconnecting';
}
