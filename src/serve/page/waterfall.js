// What each feature adds to a prediction: a waterfall and the same numbers as a table.

import { brief, el, human, show, signed, svg, table } from './dom.js';

const MOST = 10;
const ROW = 26;
const SCALES = { log_odds: 'log odds', probability: 'probability', outcome: 'the outcome’s own unit' };

// The largest contributions one by one, the others in one line.
const steps = member => {
  const lines = member.contributions.slice(0, MOST).map(one => ({
    name: human(one.feature), value: brief(one.value), size: one.contribution,
  }));
  const rest = member.contributions.slice(MOST);
  if (rest.length) {
    lines.push({ name: `${rest.length} more features`, value: '', size: rest.reduce((sum, one) => sum + one.contribution, 0), rest: true });
  }
  return lines;
};

// Draws the explanations of an answer; several models are shown one at a time.
export const reasons = (target, members) => {
  if (!members?.length) return show(target);
  const place = el('div', { class: 'explained' });
  const draw = member => show(place, ...explained(member, Math.max(260, Math.min(place.clientWidth || 480, 640))));
  const choice = el('select', { id: 'member', onchange: event => draw(members[event.target.value]) },
    members.map((member, at) => el('option', { value: at }, member.learner)));
  show(target, el('h3', null, 'Why'),
    members.length > 1 && el('div', { class: 'field' }, el('label', { for: 'member' }, 'Model; the answer is their mean'), choice), place);
  draw(members[0]);
  return undefined;
};

const explained = (member, width) => {
  const lines = steps(member);
  const scale = SCALES[member.scale] ?? member.scale;
  return [
    el('p', { class: 'hint' }, `In ${scale}, from an average record (${brief(member.base_value)}) to this one (${brief(member.margin)}). `
      + 'What moves the prediction is not what causes the outcome.'),
    picture(member, lines, width),
    table(`Contributions, in ${scale}`, [['Feature'], ['Value'], ['Adds', 'number'], ['Direction']],
      lines.map(line => ({ cells: [line.name, line.value, signed(line.size), line.size > 0 ? 'raises' : line.size < 0 ? 'lowers' : 'none'] }))),
  ];
};

const pen = document.createElement('canvas').getContext('2d');
pen.font = '13px system-ui, sans-serif';

// As much of a text as there is room for; the table has all of it.
const cut = (text, room) => {
  if (pen.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && pen.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept.trimEnd()}…`;
};

const picture = (member, lines, width) => {
  const narrow = width < 440;
  const left = narrow ? 6 : Math.min(190, width * 0.42);
  const row = narrow ? ROW + 16 : ROW;
  const ends = [member.base_value];
  for (const line of lines) ends.push(ends.at(-1) + line.size);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = width - left - 56;
  const x = value => left + room * (high === low ? 0.5 : (value - low) / (high - low));
  const height = row * (lines.length + 2) + 4;
  const top = at => row * at + (narrow ? 18 : 3);
  const fit = text => cut(text, narrow ? width - 12 : left - 12);
  const label = (text, at) => svg('text', narrow ? { x: left, y: row * at + 13 } : { x: left - 8, y: row * at + 17, 'text-anchor': 'end' }, fit(text));
  const point = (name, value, at) => [
    label(name, at),
    svg('circle', { class: 'mark', cx: x(value), cy: top(at) + 9, r: 5 }),
    svg('text', { class: 'soft', x: x(value) + 9, y: top(at) + 14 }, brief(value)),
  ];
  const bar = (line, at) => {
    const [from, to] = [x(ends[at]), x(ends[at + 1])];
    const kind = line.rest ? 'rest' : line.size < 0 ? 'down' : 'up';
    return [
      label(line.value ? `${line.name} = ${line.value}` : line.name, at + 1),
      svg('rect', { class: kind, x: Math.min(from, to), y: top(at + 1), width: Math.max(1, Math.abs(to - from)), height: 18 }),
      svg('line', { class: 'step', x1: to, x2: to, y1: top(at + 1) + 18, y2: top(at + 2) }),
      svg('text', { class: 'soft', x: Math.max(from, to) + 4, y: top(at + 1) + 14 }, signed(line.size)),
    ];
  };
  const largest = lines.slice(0, 3).map(line => `${line.name} ${signed(line.size)}`).join(', ');
  return svg('svg', { class: 'waterfall', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Waterfall from ${brief(member.base_value)} to ${brief(member.margin)}; largest: ${largest}. The table has every number.` },
    point('Average record', member.base_value, 0), lines.map(bar), point('This record', member.margin, lines.length + 1));
};
