/**
 * A small line of the last prices, by uPlot.
 */

/** @type {typeof import("uplot")} */
const Plot = /** @type {any} */ (globalThis).uPlot;

/** How many points a line has. */
const POINTS = 120;

/**
 * @param {HTMLElement} place its colour is the line's colour, its size the chart's
 */
export function chart(place) {
  /** @type {number[]} */
  const times = [];
  /** @type {number[]} */
  const prices = [];
  /** @type {number[]} */
  const opening = []; // a level line: where the day began

  const colour = () => getComputedStyle(place).color;
  const size = () => ({ width: place.clientWidth, height: place.clientHeight });
  const plot = new Plot(
    {
      ...size(),
      legend: { show: false },
      cursor: { show: false },
      axes: [{ show: false }, { show: false }],
      padding: [4, 3, 4, 3],
      scales: { x: { time: false } },
      series: [
        {},
        { stroke: colour, width: 1.5, points: { show: false } },
        { stroke: () => getComputedStyle(place).outlineColor, width: 1, dash: [2, 3], points: { show: false } },
      ],
    },
    [times, prices, opening],
    place,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(place);

  return {
    /**
     * @param {number} time
     * @param {{price: number, change: number}} quote
     */
    add(time, { price, change }) {
      times.push(time);
      prices.push(price);
      opening.push(price - change);
      if (times.length > POINTS) for (const list of [times, prices, opening]) list.shift();
    },
    /** @param {boolean} [redraw] with the colours as they are now */
    draw(redraw) {
      if (redraw) plot.redraw();
      else plot.setData([times, prices, opening.map(() => opening.at(-1) ?? 0)]);
    },
  };
}
