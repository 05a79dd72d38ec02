// What is served and what is known of its worth.

import { ask, Refusal } from './api.js';
import { brief, byId, el, facts, human, show, table } from './dom.js';
import { markdown } from './markdown.js';

// Says at the top what kind of model this is and what speaks against it.
export const banner = info => {
  const data = info.data === 'synthetic'
    ? 'For trying out and research: the model was trained on synthetic data and says nothing about real patients.'
    : `For research and evaluation: the model was trained on ${info.data} data. This is no medical device.`;
  const verdict = info.verdict;
  const failed = verdict?.promotable === false ? verdict.rules?.filter(rule => rule.passed === false) ?? [] : undefined;
  const place = byId('banner');
  place.className = failed ? 'box bad' : 'box warning';
  show(place, el('p', null, data),
    failed && el('p', null, 'The study’s gate did not pass this model:'),
    failed && el('ul', null, failed.map(rule => el('li', null, rule.reason ?? rule.name))),
    !verdict && el('p', null, 'No verdict of a gate lies beside this model.'));
};

export const describe = info => {
  const threshold = info.threshold === null ? undefined : `${brief(info.threshold)} (version ${info.threshold_version})`;
  const rows = info.training?.rows?.rows?.n;
  show(byId('facts'), facts([
    ['Predicts', info.outcome],
    ['Kind of model', info.model_type],
    ['Version', info.model_version],
    ['Bundle', el('code', null, info.bundle)],
    ['Trained on', `${info.data} data${rows ? `, ${rows} rows` : ''}`],
    ['Threshold', threshold],
    ['Features', info.feature_names.map(human).join(', ')],
  ]));
  const measured = estimates(info.metrics);
  show(byId('metrics'), measured.length > 0 && table('Measured on rows that training never saw', [['Measure'], ['Value', 'number'], ['95 % interval'], ['Method']],
    measured.map(([name, { value, low, high, method, reason }]) => ({
      cells: [name, value === null ? 'none' : brief(value), typeof low === 'number' ? `${brief(low)} to ${brief(high)}` : reason ?? '', method ?? ''],
    }))));
};

// Every number with an interval, at the top and of the decision.
const MEASURES = { auprc: 'AUPRC', auroc: 'AUROC', brier: 'Brier score', fbeta: 'F-beta', npv: 'NPV', ppv: 'PPV' };

const estimates = metrics => {
  const isEstimate = value => value && typeof value === 'object' && 'value' in value && 'low' in value;
  const among = (group, suffix) => Object.entries(group ?? {}).filter(([, value]) => isEstimate(value))
    .map(([name, value]) => [(MEASURES[name] ?? human(name)) + suffix, value]);
  return [...among(metrics, ''), ...among(metrics?.at_threshold, ', at the threshold')];
};

// The card is fetched when somebody wants to see it.
export const card = () => {
  const details = byId('card');
  details.addEventListener('toggle', async () => {
    const place = byId('card-text');
    if (!details.open || place.childElementCount > 0) return;
    try {
      show(place, markdown(await ask('GET', 'model/card')));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      place.textContent = error.status === 404 ? 'No card lies beside this model.' : `No card: ${error.message}.`;
    }
  });
};
