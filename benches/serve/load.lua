-- Records of patients that differ from one another, with the key. The path is the first argument: wrk … -s load.lua URL -- /predict
local phases = { "Phase I", "Phase II", "Phase III" }
local groups = { "Active", "Control", "Placebo" }
local path, number = "/predict", 0

function init(args)
  path = args[1] or path
  math.randomseed(7)
end

function request()
  number = number + 1
  local days = math.random(30, 365)
  local body = string.format(
    '{"patient_id": "P-%04d", "age": %d, "gender": "Female", "treatment_group": "%s", "trial_phase": "%s", "days_in_trial": %d, "visits_completed": %d, "last_visit_day": %d, "adverse_events": %d}',
    number % 1000, math.random(20, 80), groups[number % 3 + 1], phases[number % 3 + 1], days,
    math.random(1, 12), math.random(1, days), math.random(0, 6))
  return wrk.format("POST", path, { ["content-type"] = "application/json", ["x-api-key"] = os.getenv("API_KEY") }, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %.1f %.1f %.1f\n", summary.requests,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99)))
end
