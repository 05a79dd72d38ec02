// The answer to one record, in words, figures and a meter.

import { brief, el, facts, human, percent } from './dom.js';
import { meter } from './meter.js';

const TONES = ['bad', 'warning', 'good'];

// The highest level is the worst one, the lowest the best; those between are in the middle.
const tone = (levels, name) => {
  const at = levels.findIndex(level => level.name === name);
  if (at < 0 || levels.length < 2) return '';
  return TONES[at === 0 ? 0 : at === levels.length - 1 ? 2 : 1];
};

// What a full answer says about an event in a few words; also for points of a curve and rows of a table.
export const short = answer => typeof answer.probability === 'number'
  ? `${percent(answer.probability)}${answer.risk_level ? `, ${answer.risk_level}` : ''}`
  : brief(answer.prediction);

// `about`: what is known of the model: outcome, range, levels, disclaimer.
export const result = (answer, about, width) => [
  typeof answer.probability === 'number' ? event(answer, about, width) : number(answer, about, width),
  answer.warnings?.length > 0 && el('div', { class: 'box warning' }, el('p', null, 'To note:'),
    el('ul', null, answer.warnings.map(one => el('li', null, one.field ? `${human(one.field)}: ${one.message}` : one.message)))),
  about.disclaimer && el('p', { class: 'hint' }, about.disclaimer),
].flat();

const event = (answer, about, width) => {
  const level = answer.risk_level;
  const flagged = answer.prediction === 1 ? 'flagged' : 'not flagged';
  const interval = answer.interval && `${percent(answer.interval[0])} to ${percent(answer.interval[1])}`;
  const levels = about.levels ?? [];
  return [
    el('p', { class: `level ${tone(levels, level)}` }, el('strong', null, level ?? flagged), el('span', null, percent(answer.probability)),
      answer.recommended_action && el('span', null, human(answer.recommended_action))),
    meter({
      width, low: 0, high: 1, value: answer.probability, interval: answer.interval, threshold: answer.threshold, levels,
      about: `Probability ${percent(answer.probability)}; the threshold is ${percent(answer.threshold)}.`,
    }),
    facts([
      ['Probability', `${percent(answer.probability)} that the patient ${about.outcome}`],
      ['Interval', interval],
      ['Decision', `${flagged}: the threshold is ${percent(answer.threshold)}`
        + (answer.threshold_stratum ? ` for ${answer.threshold_stratum}` : '')],
      ['Risk level', level],
      ['Action', answer.recommended_action && human(answer.recommended_action)],
      ['Cost of it', typeof answer.intervention_cost === 'number' && brief(answer.intervention_cost)],
      ['Record', answer.id],
      ['Model version', answer.model_version],
    ]),
  ];
};

const number = (answer, about, width) => [
  el('p', { class: 'level' }, el('strong', null, brief(answer.prediction)),
    about.range && el('span', null, `of ${brief(about.range[0])} to ${brief(about.range[1])}`)),
  about.range && meter({
    width, low: about.range[0], high: about.range[1], value: answer.prediction,
    about: `${brief(answer.prediction)} on a scale from ${brief(about.range[0])} to ${brief(about.range[1])}.`,
  }),
  facts([['Predicted', `${human(about.outcome)}: ${brief(answer.prediction)}`], ['Record', answer.id], ['Model version', answer.model_version]]),
];
