// A small meter: where a prediction lies between two ends, among the levels, and on which side of the threshold.

import { brief, svg } from './dom.js';

const HEIGHT = 62;
const BAR = { top: 20, height: 16 };

// `levels` are `{name, from}`, highest first. The picture repeats what stands beside it as text.
export const meter = ({ width, low, high, value, interval, threshold, levels = [], about }) => {
  const inner = width - 20;
  const x = number => 10 + inner * Math.min(1, Math.max(0, (number - low) / (high - low)));
  const bands = [...levels].reverse();
  const band = (level, at) => {
    const from = at === 0 ? low : level.from;
    const to = bands[at + 1]?.from ?? high;
    const room = x(to) - x(from);
    return [
      svg('rect', { class: `band${at % 2}`, x: x(from), y: BAR.top, width: Math.max(0, room), height: BAR.height }),
      room > level.name.length * 8 && svg('text', { class: 'soft', x: x(from) + 3, y: BAR.top - 6 }, level.name),
    ];
  };
  const middle = BAR.top + BAR.height / 2;
  const base = BAR.top + BAR.height + 18;
  return svg('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': about },
    bands.length ? bands.map(band) : svg('rect', { class: 'band0', x: 10, y: BAR.top, width: inner, height: BAR.height }),
    threshold !== undefined && svg('line', { class: 'limit', x1: x(threshold), x2: x(threshold), y1: BAR.top - 4, y2: BAR.top + BAR.height + 4 }),
    interval && svg('line', { class: 'span', x1: x(interval[0]), x2: Math.max(x(interval[1]), x(interval[0]) + 2), y1: middle, y2: middle }),
    svg('circle', { class: 'mark', cx: x(value), cy: middle, r: 7 }),
    svg('text', { class: 'soft', x: 10, y: base }, brief(low)),
    svg('text', { class: 'soft', x: 10 + inner, y: base, 'text-anchor': 'end' }, brief(high)));
};
