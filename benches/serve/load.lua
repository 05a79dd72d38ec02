-- Records of patients of the study, with the key. The path is the first argument: wrk … -s load.lua URL -- /predict
local path, number, records = "/predict", 0, {}

function init(args)
  path = args[1] or path
  for line in io.lines(os.getenv("BENCH_WORK") .. "/records.jsonl") do
    records[#records + 1] = line
  end
end

function request()
  number = number % #records + 1
  return wrk.format("POST", path, { ["content-type"] = "application/json", ["x-api-key"] = os.getenv("API_KEY") }, records[number])
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %.1f %.1f %.1f\n", summary.requests,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99)))
end
