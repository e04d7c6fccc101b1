#include "mesh/ci_platform.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <vector>

namespace dagz {
namespace {

constexpr uint32_t kMaxNumber = 1'000'000;  // of nodes, and of attempts

// Templates: `{A|B}` stands for the first of the variables that is set and not empty.
// Detection: alternatives split by '|', each a '&' of NAME, NAME=value or NAME=prefix*.
struct Row {
  const char* platform;
  const char* detect;
  const char* server = "";
  const char* repository = "";
  const char* build = "";
  const char* step = "";
  const char* attempt = "";
  uint32_t first_attempt = 1;
  const char* index = "";
  uint32_t first_index = 0;
  const char* total = "";
  const char* url = "";
  bool url_names_run = false;
  const char* commit = "";
  const char* branch = "";
  void (*amend)(const Environment&, CiRun&) = nullptr;
};

std::string value_of(const Environment& environment, const std::string& name) {
  return environment(name).value_or("");
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string first_of(const Environment& environment, std::string_view names) {
  for (const std::string& name : split(names, '|')) {
    std::string value = value_of(environment, name);
    if (!value.empty()) return value;
  }
  return "";
}

// Empty when any of its variables is missing: half an address is worse than none.
std::string expand_whole(const Environment& environment, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find('}', open);
    const std::string value = first_of(environment, text.substr(open + 1, close - open - 1));
    if (value.empty()) return "";
    out += value;
    text.remove_prefix(close + 1);
  }
  return out;
}

// A list of parts split by ':'; those that are missing are left out.
std::string expand_parts(const Environment& environment, std::string_view text) {
  std::string out;
  for (const std::string& part : split(text, ':')) {
    const std::string value = expand_whole(environment, part);
    if (value.empty()) continue;
    if (!out.empty()) out += ':';
    out += value;
  }
  return out;
}

std::optional<uint32_t> to_number(std::string_view text) {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || rest != end || number > kMaxNumber) {
    return std::nullopt;
  }
  return number;
}

bool condition_holds(const Environment& environment, const std::string& condition) {
  const std::size_t equals = condition.find('=');
  const std::string value = value_of(environment, condition.substr(0, equals));
  if (equals == std::string::npos) return !value.empty();
  const std::string wanted = condition.substr(equals + 1);
  if (wanted.ends_with('*')) return value.starts_with(wanted.substr(0, wanted.size() - 1));
  return value == wanted;
}

bool matches(const Environment& environment, const char* detect) {
  for (const std::string& alternative : split(detect, '|')) {
    bool all = true;
    for (const std::string& condition : split(alternative, '&')) {
      all = all && condition_holds(environment, condition);
    }
    if (all) return true;
  }
  return false;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string without_ref_prefix(std::string branch) {
  for (const std::string_view prefix : {"refs/heads/", "refs/tags/", "origin/"}) {
    if (branch.starts_with(prefix)) return branch.substr(prefix.size());
  }
  return branch;
}

// "test: [3.11, linux]", with the leg moved to `matrix`.
void cut_gitlab_matrix(const Environment&, CiRun& run) {
  const std::size_t at = run.step.rfind(": [");
  if (at == std::string::npos || !run.step.ends_with(']')) return;
  run.matrix = run.step.substr(at + 2);
  run.step.resize(at);
}

// Copies of a workflow are called run_tests_0, run_tests_1 …
void cut_bitrise_copy(const Environment&, CiRun& run) {
  if (!run.node_index) return;
  const std::string suffix = "_" + std::to_string(*run.node_index);
  if (run.step.ends_with(suffix)) run.step.resize(run.step.size() - suffix.size());
}

// The pods of an indexed job are called <job>-<index>. A job that is deleted and made once more has
// the same name, so that says nothing of the build.
void name_kubernetes_job(const Environment& environment, CiRun& run) {
  run.step = value_of(environment, "JOB_NAME");
  run.multi_host = true;
  if (!run.step.empty()) return;
  run.step = value_of(environment, "HOSTNAME");
  const std::string suffix = "-" + value_of(environment, "JOB_COMPLETION_INDEX");
  if (run.step.ends_with(suffix)) run.step.resize(run.step.size() - suffix.size());
}

// A step's tasks may share a host; hosts are counted apart. A batch script is not one of the tasks.
void count_slurm_hosts(const Environment& environment, CiRun& run) {
  const auto hosts =
      to_number(first_of(environment, "SLURM_STEP_NUM_NODES|SLURM_JOB_NUM_NODES|SLURM_NNODES"));
  run.multi_host = hosts.value_or(1) > 1;
  if (!value_of(environment, "SLURM_STEP_ID").empty()) return;
  run.node_index.reset();
  run.node_total.reset();
}

void shift_slurm_array(const Environment& environment, CiRun& run) {
  const auto first = to_number(value_of(environment, "SLURM_ARRAY_TASK_MIN"));
  run.multi_host = true;
  if (!run.node_index || !first || *first > *run.node_index) return;
  run.node_index = *run.node_index - *first;
}

// clang-format off
const Row kRows[] = {
    {.platform = "appveyor",
     .detect = "APPVEYOR",
     .server = "{APPVEYOR_URL}",
     .repository = "{APPVEYOR_REPO_NAME}",
     .build = "{APPVEYOR_BUILD_ID}",
     .url = "{APPVEYOR_URL}/project/{APPVEYOR_ACCOUNT_NAME}/{APPVEYOR_PROJECT_SLUG}/builds/{APPVEYOR_BUILD_ID}/job/{APPVEYOR_JOB_ID}",
     .commit = "{APPVEYOR_REPO_COMMIT}",
     .branch = "{APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH|APPVEYOR_REPO_BRANCH}"},
    {.platform = "azure",
     .detect = "TF_BUILD",
     .server = "{SYSTEM_TEAMFOUNDATIONSERVERURI}",
     .repository = "{BUILD_REPOSITORY_URI|BUILD_REPOSITORY_NAME}",
     .build = "{BUILD_BUILDID}",
     .step = "{SYSTEM_STAGENAME}:{SYSTEM_PHASENAME}",
     .attempt = "{SYSTEM_JOBATTEMPT}",
     .index = "{SYSTEM_JOBPOSITIONINPHASE}", .first_index = 1,
     .total = "{SYSTEM_TOTALJOBSINPHASE}",
     .url = "{SYSTEM_TEAMFOUNDATIONSERVERURI}{SYSTEM_TEAMPROJECTID}/_build/results?buildId={BUILD_BUILDID}&view=logs&j={SYSTEM_JOBID}&t={SYSTEM_TASKINSTANCEID}",
     .commit = "{SYSTEM_PULLREQUEST_SOURCECOMMITID|BUILD_SOURCEVERSION}",
     .branch = "{SYSTEM_PULLREQUEST_SOURCEBRANCH|BUILD_SOURCEBRANCH}"},
    {.platform = "bitbucket",
     .detect = "BITBUCKET_COMMIT|BITBUCKET_BUILD_NUMBER",
     .server = "https://bitbucket.org",
     .repository = "{BITBUCKET_REPO_FULL_NAME|BITBUCKET_REPO_SLUG}",
     .build = "{BITBUCKET_PIPELINE_UUID|BITBUCKET_BUILD_NUMBER}",
     .index = "{BITBUCKET_PARALLEL_STEP}",
     .total = "{BITBUCKET_PARALLEL_STEP_COUNT}",
     .url = "https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/addon/pipelines/home#!/results/{BITBUCKET_BUILD_NUMBER}",
     .commit = "{BITBUCKET_COMMIT}",
     .branch = "{BITBUCKET_BRANCH}"},
    {.platform = "buildkite",
     .detect = "BUILDKITE",
     .server = "{BUILDKITE_ORGANIZATION_SLUG}",
     .repository = "{BUILDKITE_REPO}",
     .build = "{BUILDKITE_BUILD_ID}",
     .step = "{BUILDKITE_STEP_ID|BUILDKITE_STEP_KEY|BUILDKITE_LABEL}",
     .attempt = "{BUILDKITE_RETRY_COUNT}", .first_attempt = 0,
     .index = "{BUILDKITE_PARALLEL_JOB}",
     .total = "{BUILDKITE_PARALLEL_JOB_COUNT}",
     .url = "{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}",
     .commit = "{BUILDKITE_COMMIT}",
     .branch = "{BUILDKITE_BRANCH}"},
    {.platform = "circleci",
     .detect = "CIRCLECI",
     .repository = "{CIRCLE_PROJECT_USERNAME}/{CIRCLE_PROJECT_REPONAME}",
     .build = "{CIRCLE_WORKFLOW_ID}",
     .step = "{CIRCLE_JOB}",
     .index = "{CIRCLE_NODE_INDEX}",
     .total = "{CIRCLE_NODE_TOTAL}",
     .url = "{CIRCLE_BUILD_URL}", .url_names_run = true,
     .commit = "{CIRCLE_SHA1}",
     .branch = "{CIRCLE_BRANCH}"},
    {.platform = "codefresh",
     .detect = "CF_BUILD_ID",
     .repository = "{CF_REPO_OWNER}/{CF_REPO_NAME}",
     .build = "{CF_BUILD_ID}",
     .step = "{CF_STEP_NAME}",
     .url = "{CF_BUILD_URL}",
     .commit = "{CF_REVISION}",
     .branch = "{CF_BRANCH}"},
    {.platform = "github",
     .detect = "GITHUB_ACTIONS|GITHUB_SHA",
     .server = "{GITHUB_SERVER_URL}",
     .repository = "{GITHUB_REPOSITORY}",
     .build = "{GITHUB_RUN_ID}",
     .step = "{GITHUB_WORKFLOW}:{GITHUB_JOB}:{GITHUB_ACTION}",
     .attempt = "{GITHUB_RUN_ATTEMPT}",
     .url = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}",
     .commit = "{GITHUB_SHA}",
     .branch = "{GITHUB_HEAD_REF|GITHUB_REF_NAME}"},
    {.platform = "gitlab",
     .detect = "GITLAB_CI",
     .server = "{CI_SERVER_URL}",
     .repository = "{CI_PROJECT_PATH}",
     .build = "{CI_PIPELINE_ID}",
     .step = "{CI_JOB_STAGE}:{CI_JOB_NAME}",
     .index = "{CI_NODE_INDEX}", .first_index = 1,
     .total = "{CI_NODE_TOTAL}",
     .url = "{CI_JOB_URL}", .url_names_run = true,
     .commit = "{CI_COMMIT_SHA}",
     .branch = "{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME|CI_COMMIT_REF_NAME}",
     .amend = cut_gitlab_matrix},
    {.platform = "jenkins",
     .detect = "JENKINS_URL|BUILD_TAG=jenkins-*",
     .server = "{JENKINS_URL}",
     .repository = "{GIT_URL|GIT_URL_1}",
     .build = "{BUILD_TAG|BUILD_NUMBER}",
     .step = "{JOB_NAME}:{STAGE_NAME}",
     .url = "{BUILD_URL}",
     .commit = "{GIT_COMMIT}",
     .branch = "{CHANGE_BRANCH|BRANCH_NAME|GIT_BRANCH}"},
    {.platform = "teamcity",
     .detect = "TEAMCITY_VERSION",
     .build = "{BUILD_NUMBER}",
     .step = "{TEAMCITY_PROJECT_NAME}:{TEAMCITY_BUILDCONF_NAME}",
     .url = "{BUILD_URL}",
     .commit = "{BUILD_VCS_NUMBER}"},
    {.platform = "travis",
     .detect = "TRAVIS",
     .repository = "{TRAVIS_REPO_SLUG}",
     .build = "{TRAVIS_BUILD_ID}",
     .step = "{TRAVIS_BUILD_STAGE_NAME}",
     .url = "{TRAVIS_JOB_WEB_URL}",
     .commit = "{TRAVIS_COMMIT}",
     .branch = "{TRAVIS_PULL_REQUEST_BRANCH|TRAVIS_BRANCH}"},
    {.platform = "bitrise",
     .detect = "BITRISE_BUILD_SLUG",
     .repository = "{GIT_REPOSITORY_URL}",
     .build = "{BITRISEIO_PIPELINE_ID|BITRISE_BUILD_SLUG}",
     .step = "{BITRISE_TRIGGERED_WORKFLOW_ID}",
     .index = "{BITRISE_IO_PARALLEL_INDEX}",
     .total = "{BITRISE_IO_PARALLEL_TOTAL}",
     .url = "{BITRISE_BUILD_URL}",
     .commit = "{BITRISE_GIT_COMMIT|GIT_CLONE_COMMIT_HASH}",
     .branch = "{BITRISE_GIT_BRANCH}",
     .amend = cut_bitrise_copy},
    {.platform = "semaphore",
     .detect = "SEMAPHORE&SEMAPHORE_WORKFLOW_ID",
     .server = "{SEMAPHORE_ORGANIZATION_URL}",
     .repository = "{SEMAPHORE_GIT_REPO_SLUG|SEMAPHORE_PROJECT_NAME}",
     .build = "{SEMAPHORE_PIPELINE_ID|SEMAPHORE_WORKFLOW_ID}",
     .step = "{SEMAPHORE_BLOCK_NAME}:{SEMAPHORE_JOB_NAME}",
     .index = "{SEMAPHORE_JOB_INDEX}", .first_index = 1,
     .total = "{SEMAPHORE_JOB_COUNT}",
     .url = "{SEMAPHORE_ORGANIZATION_URL}/jobs/{SEMAPHORE_JOB_ID}", .url_names_run = true,
     .commit = "{SEMAPHORE_GIT_SHA}",
     .branch = "{SEMAPHORE_GIT_PR_BRANCH|SEMAPHORE_GIT_BRANCH}"},
    {.platform = "woodpecker",
     .detect = "CI=woodpecker",
     .server = "{CI_SYSTEM_URL}",
     .repository = "{CI_REPO}",
     .build = "{CI_PIPELINE_NUMBER}",
     .step = "{CI_WORKFLOW_NAME}:{CI_STEP_NAME}",
     .url = "{CI_STEP_URL|CI_PIPELINE_URL}",
     .commit = "{CI_COMMIT_SHA}",
     .branch = "{CI_COMMIT_SOURCE_BRANCH|CI_COMMIT_BRANCH}"},
    {.platform = "drone",
     .detect = "DRONE",
     .server = "{DRONE_SYSTEM_HOST}",
     .repository = "{DRONE_REPO}",
     .build = "{DRONE_BUILD_NUMBER}",
     .step = "{DRONE_STAGE_NAME}:{DRONE_STEP_NAME}",
     .url = "{DRONE_BUILD_LINK}/{DRONE_STAGE_NUMBER}/{DRONE_STEP_NUMBER}",
     .commit = "{DRONE_COMMIT_SHA}",
     .branch = "{DRONE_SOURCE_BRANCH|DRONE_BRANCH}"},
    {.platform = "cirrus",
     .detect = "CIRRUS_CI",
     .repository = "{CIRRUS_REPO_FULL_NAME}",
     .build = "{CIRRUS_BUILD_ID}",
     .step = "{CIRRUS_TASK_NAME}",
     .url = "https://cirrus-ci.com/task/{CIRRUS_TASK_ID}",
     .commit = "{CIRRUS_CHANGE_IN_REPO}",
     .branch = "{CIRRUS_BRANCH}"},
    {.platform = "codebuild",
     .detect = "CODEBUILD_BUILD_ID",
     .server = "{AWS_REGION}",
     .repository = "{CODEBUILD_SOURCE_REPO_URL}",
     .build = "{CODEBUILD_BUILD_ID}",
     .url = "{CODEBUILD_PUBLIC_BUILD_URL}",
     .commit = "{CODEBUILD_RESOLVED_SOURCE_VERSION}",
     .branch = "{CODEBUILD_WEBHOOK_HEAD_REF}"},
    {.platform = "kubernetes",
     .detect = "JOB_COMPLETION_INDEX",
     .index = "{JOB_COMPLETION_INDEX}",
     .amend = name_kubernetes_job},
    {.platform = "slurm",
     .detect = "SLURM_JOB_ID&SLURM_ARRAY_JOB_ID",
     .server = "{SLURM_CLUSTER_NAME}",
     .build = "{SLURM_ARRAY_JOB_ID}",
     .step = "{SLURM_JOB_NAME}",
     .attempt = "{SLURM_RESTART_COUNT}", .first_attempt = 0,
     .index = "{SLURM_ARRAY_TASK_ID}",
     .total = "{SLURM_ARRAY_TASK_COUNT}",
     .amend = shift_slurm_array},
    {.platform = "slurm",
     .detect = "SLURM_JOB_ID",
     .server = "{SLURM_CLUSTER_NAME}",
     .build = "{SLURM_JOB_ID}:{SLURM_STEP_ID}",
     .step = "{SLURM_JOB_NAME}",
     .attempt = "{SLURM_RESTART_COUNT}", .first_attempt = 0,
     .index = "{SLURM_PROCID}",
     .total = "{SLURM_STEP_NUM_TASKS|SLURM_NTASKS|SLURM_NPROCS}",
     .amend = count_slurm_hosts},
    {.platform = "generic",
     .detect = "CI_NODE_INDEX|CI_NODE_TOTAL",
     .build = "{CI_BUILD_ID|HEROKU_TEST_RUN_ID|BUILD_ID|BUILD_NUMBER}",
     .commit = "{CI_COMMIT_SHA|GIT_COMMIT|COMMIT_SHA|HEROKU_TEST_RUN_COMMIT_VERSION}",
     .branch = "{HEROKU_TEST_RUN_BRANCH}"},
};
// clang-format on

void number_nodes(const Environment& environment, const Row& row, CiRun& run) {
  // Where the platform has no numbers of its own, pipelines set these two by convention.
  const bool own = *row.index != '\0';
  const std::string index = expand_whole(environment, own ? row.index : "{CI_NODE_INDEX}");
  const std::string total = expand_whole(environment, own ? row.total : "{CI_NODE_TOTAL}");
  const uint32_t first = own ? row.first_index : 0;
  if (const auto number = to_number(index); number && *number >= first) {
    run.node_index = *number - first;
  }
  if (const auto number = to_number(total); number && *number > 0) run.node_total = number;
  run.multi_host = run.node_total.value_or(1) > 1;
}

CiRun read_row(const Environment& environment, const Row& row) {
  CiRun run;
  run.platform = row.platform;
  run.server = expand_whole(environment, row.server);
  run.repository = without_credentials(expand_whole(environment, row.repository));
  run.build = expand_parts(environment, row.build);
  run.step = without_shard_number(expand_parts(environment, row.step));
  // Retries that are counted from nought need not be told of before the first.
  run.counts_attempts = *row.attempt != '\0' && row.first_attempt == 0;
  if (const auto number = to_number(expand_whole(environment, row.attempt));
      number && *number >= row.first_attempt) {
    run.attempt = *number - row.first_attempt + 1;
    run.counts_attempts = true;
  }
  number_nodes(environment, row, run);
  run.job_url = expand_whole(environment, row.url);
  run.url_names_run = row.url_names_run && !run.job_url.empty();
  run.commit = expand_whole(environment, row.commit);
  run.branch = without_ref_prefix(expand_whole(environment, row.branch));
  if (row.amend != nullptr) row.amend(environment, run);
  if (run.node_index && run.node_total && *run.node_index >= *run.node_total)
    run.node_index.reset();
  return run;
}

std::string join_escaped(std::initializer_list<std::string_view> parts) {
  std::string out;
  bool first = true;
  for (const std::string_view part : parts) {
    if (!first) out += '|';
    first = false;
    for (const char c : part) {
      if (c == '%') {
        out += "%25";
      } else if (c == '|') {
        out += "%7C";
      } else {
        out += c;
      }
    }
  }
  return out;
}

}  // namespace

std::string without_shard_number(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t space = name.rfind(' ');
  if (slash == std::string_view::npos || space == std::string_view::npos || space > slash ||
      !is_digits(name.substr(slash + 1)) || !is_digits(name.substr(space + 1, slash - space - 1))) {
    return std::string(name);
  }
  std::string_view rest = name.substr(0, space);
  if (rest.ends_with(" -")) rest.remove_suffix(2);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  return std::string(rest);
}

std::string without_credentials(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(url.find('/', begin), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(url);
  return std::string(url.substr(0, begin)) + std::string(url.substr(at + 1));
}

std::optional<CiRun> detect_ci(const Environment& environment) {
  for (const Row& row : kRows) {
    if (matches(environment, row.detect)) return read_row(environment, row);
  }
  return std::nullopt;
}

void count_leg(CiRun& run, std::string_view group, std::string_view user_key) {
  if (run.matrix.empty() || !group.empty() || !user_key.empty()) return;
  run.node_index = 0;
  run.node_total = 1;
  run.multi_host = false;
}

void nest_in_test(CiRun& run, std::string_view span, std::string_view user_key) {
  if (span.empty() || !user_key.empty()) return;
  run.build = join_escaped({run.build, span});
  run.step = join_escaped({run.step, "in a test"});
  run.node_index.reset();
  run.node_total.reset();
  run.multi_host = false;
}

CiRun local_run(const std::string& host, const std::string& user, const std::string& repository) {
  CiRun run;
  run.platform = "local";
  run.server = host;
  run.repository = without_credentials(repository);
  run.build = user;
  return run;
}

std::string job_key(const CiRun& run, std::string_view group, std::string_view user_key) {
  if (!user_key.empty()) return join_escaped({"job", user_key, group});
  return join_escaped({run.platform, run.server, run.repository, run.build, run.step,
                       group.empty() ? std::string_view(run.matrix) : group});
}

std::string suite_key(const CiRun& run, std::string_view group, std::string_view user_key) {
  CiRun any_build = run;
  any_build.build.clear();
  return job_key(any_build, group, user_key);
}

std::string build_of(const CiRun& run) {
  if (run.platform == "local" || (run.build.empty() && run.commit.empty())) return {};
  return join_escaped({run.platform, run.server, run.repository, run.build, run.commit});
}

std::string run_identity(const CiRun& run, std::string_view job_key) {
  return join_escaped({job_key, std::to_string(run.attempt), run.commit});
}

}  // namespace dagz
