/** Positions of tiles: the grid with the largest tiles, or one large tile and the others in a strip. Pure. */

/** Width to height. A camera picture may be cropped to any of these. The first with the largest tiles is used. */
const RATIOS = [16 / 9, 4 / 3, 1];
const STRIP = { share: 0.22, narrowest: 110 };

/** @typedef {{left: number, top: number, width: number, height: number}} Box Pixels. */

/**
 * The columns, rows and tile size with which `count` equal tiles fill an area best.
 *
 * @param {number} count @param {number} width @param {number} height @param {number} gap
 */
export function bestGrid(count, width, height, gap) {
  let best = { columns: 1, rows: Math.max(count, 1), width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const room = { width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
    if (room.width <= 0 || room.height <= 0) continue;
    for (const ratio of RATIOS) {
      const w = Math.min(room.width, room.height * ratio);
      if (w * (w / ratio) > best.width * best.height * 1.001) best = { columns, rows, width: w, height: w / ratio };
    }
  }
  return best;
}

/**
 * A box for each tile, in order. With `spot` the first tile gets most of the area.
 *
 * @param {number} count @param {number} width @param {number} height @param {number} gap @param {boolean} spot
 * @returns {Box[]}
 */
export function arrange(count, width, height, gap, spot) {
  if (count === 0 || width <= 0 || height <= 0) return [];
  if (!spot) return grid(count, width, height, gap, 0, 0);
  if (count === 1) return [{ left: 0, top: 0, width, height }];
  if (width >= height) {
    const strip = Math.min(Math.max(width * STRIP.share, STRIP.narrowest), width / 2);
    const first = { left: 0, top: 0, width: width - strip - gap, height };
    return [first, ...grid(count - 1, strip, height, gap, width - strip, 0)];
  }
  const strip = Math.min(Math.max(height * STRIP.share, STRIP.narrowest), height / 2);
  const first = { left: 0, top: 0, width, height: height - strip - gap };
  return [first, ...grid(count - 1, width, strip, gap, 0, height - strip)];
}

/** Centres the grid, and a last row that is not full. */
function grid(count, width, height, gap, left, top) {
  const best = bestGrid(count, width, height, gap);
  const tall = best.rows * best.height + gap * (best.rows - 1);
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / best.columns);
    const inRow = Math.min(best.columns, count - row * best.columns);
    const wide = inRow * best.width + gap * (inRow - 1);
    return {
      left: left + (width - wide) / 2 + (index % best.columns) * (best.width + gap),
      top: top + (height - tall) / 2 + row * (best.height + gap),
      width: best.width,
      height: best.height,
    };
  });
}
