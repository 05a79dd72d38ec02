// How the last prediction would differ if one field had another value: real predictions at points, not a guess between.

import { post, Refusal } from './api.js';
import { brief, byId, el, human, percent, show, svg, table } from './dom.js';
import { short } from './result.js';

const POINTS = 41;
const HEIGHT = 220;

// The values of a field to ask about, with the record's own among them.
const valuesOf = (field, current) => {
  if (field.levels) return field.levels;
  const [low, high] = field.seen ?? field.range;
  const count = field.whole ? Math.min(POINTS, high - low + 1) : POINTS;
  const spread = Array.from({ length: count }, (_, at) => low + (high - low) * at / Math.max(1, count - 1));
  const values = spread.map(value => field.whole ? Math.round(value) : Number(value.toPrecision(4)));
  if (typeof current === 'number') values.push(current);
  return [...new Set(values)].sort((a, b) => a - b);
};

export class WhatIf {
  constructor(fields, about) {
    this.about = about;
    this.all = fields;
    this.asked = 0;
    this.select = byId('what-if-field');
    this.slider = byId('what-if-slider');
    this.select.addEventListener('change', () => this.#ask());
    this.slider.addEventListener('input', () => this.#move());
  }

  // Starts from another record.
  async start(record) {
    this.record = record;
    this.fields = this.all.filter(field => field.levels?.length > 1 || (field.numeric && (field.seen ?? field.range)));
    if (this.fields.length === 0) return;
    if (this.select.childElementCount !== this.fields.length) {
      show(this.select, this.fields.map(field => el('option', { value: field.name }, human(field.name))));
    }
    byId('what-if-waiting').hidden = true;
    byId('what-if-body').hidden = false;
    await this.#ask();
  }

  async #ask() {
    const field = this.fields.find(one => one.name === this.select.value) ?? this.fields[0];
    const turn = ++this.asked;
    const current = this.record[field.name];
    const values = valuesOf(field, current);
    const told = byId('what-if-told');
    try {
      const records = values.map(value => ({ ...this.record, [field.name]: value }));
      const { predictions } = await post('predict/batch?answer=full', { records });
      // Another field may have been chosen meanwhile.
      if (turn !== this.asked) return;
      this.field = field;
      this.points = values.map((value, at) => ({ value, answer: predictions[at] }));
      const own = values.indexOf(current);
      this.own = own;
      this.slider.max = values.length - 1;
      this.slider.value = own < 0 ? 0 : own;
      byId('what-if-label').textContent = human(field.name);
      this.#move();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      told.textContent = `No curve: ${error.message}.`;
      show(byId('what-if-curve'));
    }
  }

  #text({ value, answer }) {
    const unit = this.field.unit ? ` ${this.field.unit}` : '';
    const said = answer.errors ? answer.errors.map(one => one.message).join('; ') : short(answer);
    return `${brief(value)}${unit}: ${said}`;
  }

  #move() {
    const at = Number(this.slider.value);
    const point = this.points[at];
    const own = at === this.own ? ' (the record as it was entered)' : '';
    this.slider.setAttribute('aria-valuetext', this.#text(point));
    byId('what-if-told').textContent = `${human(this.field.name)} ${this.#text(point)}${own}`;
    this.#draw(at);
  }

  #draw(at) {
    const place = byId('what-if-curve');
    const rows = this.points.map(({ value, answer }) => ({
      cells: [brief(value), answer.errors ? answer.errors.map(one => one.message).join('; ') : short(answer)],
    }));
    const width = Math.max(260, Math.min(place.clientWidth || 640, 800));
    const open = place.querySelector('details')?.open;
    show(place, curve(this.points, at, this.own, this.field, this.about, width),
      el('details', { open }, el('summary', null, 'The curve as a table'), table(`Predictions by ${human(this.field.name)}`, [[human(this.field.name), 'number'], ['Prediction']], rows)));
  }
}

const numberOf = answer => answer.errors ? undefined : answer.probability ?? answer.prediction;

const curve = (points, at, own, field, about, width) => {
  const [left, right, top, bottom] = [52, width - 14, 12, HEIGHT - 30];
  const event = points.some(point => typeof point.answer.probability === 'number');
  const numbers = points.map(point => numberOf(point.answer)).filter(number => number !== undefined);
  const threshold = event ? points.find(point => !point.answer.errors)?.answer.threshold : undefined;
  const [floor, ceiling] = event ? [0, Math.min(1, niceAbove(Math.max(...numbers, 0.02) * 1.1))] : about.range ?? spread(numbers);
  const first = field.levels ? 0 : points[0].value;
  const last = field.levels ? points.length - 1 : points.at(-1).value;
  const place = index => field.levels ? index : points[index].value;
  const x = index => left + (right - left) * (last === first ? 0.5 : (place(index) - first) / (last - first));
  const y = number => bottom - (bottom - top) * (ceiling === floor ? 0.5 : (number - floor) / (ceiling - floor));
  const told = number => event ? percent(number) : brief(number);
  const ticks = [0, 0.5, 1].map(share => floor + (ceiling - floor) * share);
  const chosen = numberOf(points[at].answer);
  const mine = own >= 0 ? numberOf(points[own].answer) : undefined;
  const label = (index, anchor) => svg('text', { class: 'soft', x: x(index), y: HEIGHT - 8, 'text-anchor': anchor }, brief(points[index].value));
  return svg('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': `Prediction by ${human(field.name)}, from ${told(Math.min(...numbers))} to ${told(Math.max(...numbers))}. The table below has every number.` },
    ticks.map(tick => [
      svg('line', { class: 'gridline', x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      svg('text', { class: 'soft', x: left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, event ? `${Number((tick * 100).toFixed(1))} %` : brief(tick)),
    ]),
    threshold !== undefined && threshold <= ceiling && svg('line', { class: 'limit', x1: left, x2: right, y1: y(threshold), y2: y(threshold) }),
    field.levels ? points.map((point, index) => numberOf(point.answer) !== undefined && svg('circle', { class: 'dot', cx: x(index), cy: y(numberOf(point.answer)), r: 4 }))
      : runs(points).map(run => run.length > 1
        ? svg('polyline', { class: 'curve', points: run.map(index => `${x(index)},${y(numberOf(points[index].answer))}`).join(' ') })
        : svg('circle', { class: 'dot', cx: x(run[0]), cy: y(numberOf(points[run[0]].answer)), r: 2.5 })),
    mine !== undefined && svg('line', { class: 'step', x1: x(own), x2: x(own), y1: top, y2: bottom }),
    chosen !== undefined && svg('circle', { class: 'mark', cx: x(at), cy: y(chosen), r: 7 }),
    field.levels && (right - left) / points.length > 90
      ? points.map((_, index) => label(index, index === 0 ? 'start' : index === points.length - 1 ? 'end' : 'middle'))
      : [label(0, 'start'), points.length > 1 && label(points.length - 1, 'end')]);
};

// The stretches between refused points; no line is drawn across those.
const runs = points => {
  const found = [[]];
  points.forEach((point, index) => {
    if (numberOf(point.answer) === undefined) found.push([]);
    else found.at(-1).push(index);
  });
  return found.filter(run => run.length > 0);
};

const niceAbove = number => {
  const size = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 4, 5, 10].map(step => step * size).find(step => step >= number);
};

const spread = numbers => {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return low === high ? [low - 1, high + 1] : [low, high];
};
