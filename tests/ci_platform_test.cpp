#include "mesh/ci_platform.hpp"

#include <catch2/catch.hpp>
#include <map>

// Every row of the table of CI platforms, each with variables as the platform sets them.

namespace dagz {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

struct Case {
  Variables variables;
  CiRun expected;
};

CiRun seen(const Variables& variables) {
  const auto run = detect_ci(environment_of(variables));
  REQUIRE(run.has_value());
  return *run;
}

void check(const Case& c) {
  const CiRun run = seen(c.variables);
  CHECK(run.platform == c.expected.platform);
  CHECK(run.server == c.expected.server);
  CHECK(run.repository == c.expected.repository);
  CHECK(run.build == c.expected.build);
  CHECK(run.step == c.expected.step);
  CHECK(run.matrix == c.expected.matrix);
  CHECK(run.attempt == c.expected.attempt);
  CHECK(run.node_index == c.expected.node_index);
  CHECK(run.node_total == c.expected.node_total);
  CHECK(run.job_url == c.expected.job_url);
  CHECK(run.commit == c.expected.commit);
  CHECK(run.branch == c.expected.branch);
  CHECK(run.multi_host == c.expected.multi_host);
}

const Variables kGitlab = {{"CI", "true"},
                           {"GITLAB_CI", "true"},
                           {"CI_SERVER_URL", "https://gitlab.example.com"},
                           {"CI_PROJECT_PATH", "group/project"},
                           {"CI_PIPELINE_ID", "12345"},
                           {"CI_JOB_STAGE", "test"},
                           {"CI_JOB_NAME", "unit 2/4"},
                           {"CI_JOB_ID", "991"},
                           {"CI_NODE_INDEX", "2"},
                           {"CI_NODE_TOTAL", "4"},
                           {"CI_JOB_URL", "https://gitlab.example.com/group/project/-/jobs/991"},
                           {"CI_COMMIT_SHA", "0123abcd"},
                           {"CI_COMMIT_REF_NAME", "main"}};

Variables with(Variables variables, const Variables& changes) {
  for (const auto& [name, value] : changes) variables[name] = value;
  return variables;
}

}  // namespace

TEST_CASE("ci: no platform is seen where only general variables are set", "[mesh][ci]") {
  CHECK_FALSE(detect_ci(environment_of({})).has_value());
  CHECK_FALSE(detect_ci(environment_of({{"CI", "true"}, {"CI_COMMIT_SHA", "ab"}})).has_value());
  CHECK_FALSE(detect_ci(environment_of({{"GITLAB_CI", ""}})).has_value());
}

TEST_CASE("ci: appveyor", "[mesh][ci]") {
  check({{{"APPVEYOR", "True"},
          {"APPVEYOR_URL", "https://ci.appveyor.com"},
          {"APPVEYOR_REPO_NAME", "me/project"},
          {"APPVEYOR_BUILD_ID", "77"},
          {"APPVEYOR_ACCOUNT_NAME", "me"},
          {"APPVEYOR_PROJECT_SLUG", "project"},
          {"APPVEYOR_JOB_ID", "abc"},
          {"APPVEYOR_REPO_COMMIT", "c0"},
          {"APPVEYOR_REPO_BRANCH", "main"}},
         {.platform = "appveyor",
          .server = "https://ci.appveyor.com",
          .repository = "me/project",
          .build = "77",
          .job_url = "https://ci.appveyor.com/project/me/project/builds/77/job/abc",
          .commit = "c0",
          .branch = "main"}});
}

TEST_CASE("ci: azure counts from one and names branches in full", "[mesh][ci]") {
  check({{{"TF_BUILD", "True"},
          {"SYSTEM_TEAMFOUNDATIONSERVERURI", "https://dev.azure.com/org/"},
          {"SYSTEM_TEAMPROJECTID", "p1"},
          {"BUILD_REPOSITORY_URI", "https://me:token@dev.azure.com/org/p/_git/r"},
          {"BUILD_BUILDID", "501"},
          {"SYSTEM_STAGENAME", "test"},
          {"SYSTEM_PHASENAME", "unit"},
          {"SYSTEM_JOBID", "j"},
          {"SYSTEM_TASKINSTANCEID", "t"},
          {"SYSTEM_JOBATTEMPT", "2"},
          {"SYSTEM_JOBPOSITIONINPHASE", "1"},
          {"SYSTEM_TOTALJOBSINPHASE", "3"},
          {"BUILD_SOURCEVERSION", "c1"},
          {"BUILD_SOURCEBRANCH", "refs/heads/feature/x"}},
         {.platform = "azure",
          .server = "https://dev.azure.com/org/",
          .repository = "https://dev.azure.com/org/p/_git/r",
          .build = "501",
          .step = "test:unit",
          .attempt = 2,
          .node_index = 0,
          .node_total = 3,
          .job_url = "https://dev.azure.com/org/p1/_build/results?buildId=501&view=logs&j=j&t=t",
          .commit = "c1",
          .branch = "feature/x",
          .multi_host = true}});
}

TEST_CASE("ci: bitbucket", "[mesh][ci]") {
  check({{{"BITBUCKET_COMMIT", "c2"},
          {"BITBUCKET_REPO_FULL_NAME", "team/repo"},
          {"BITBUCKET_PIPELINE_UUID", "{uuid}"},
          {"BITBUCKET_BUILD_NUMBER", "9"},
          {"BITBUCKET_PARALLEL_STEP", "1"},
          {"BITBUCKET_PARALLEL_STEP_COUNT", "2"},
          {"BITBUCKET_BRANCH", "main"}},
         {.platform = "bitbucket",
          .server = "https://bitbucket.org",
          .repository = "team/repo",
          .build = "{uuid}",
          .node_index = 1,
          .node_total = 2,
          .job_url = "https://bitbucket.org/team/repo/addon/pipelines/home#!/results/9",
          .commit = "c2",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: buildkite counts attempts from nought", "[mesh][ci]") {
  check({{{"BUILDKITE", "true"},
          {"BUILDKITE_ORGANIZATION_SLUG", "acme"},
          {"BUILDKITE_REPO", "git@github.com:acme/app.git"},
          {"BUILDKITE_BUILD_ID", "b-uuid"},
          {"BUILDKITE_BUILD_URL", "https://buildkite.com/acme/app/builds/5"},
          {"BUILDKITE_JOB_ID", "j-uuid"},
          {"BUILDKITE_STEP_ID", "s-uuid"},
          {"BUILDKITE_RETRY_COUNT", "1"},
          {"BUILDKITE_PARALLEL_JOB", "0"},
          {"BUILDKITE_PARALLEL_JOB_COUNT", "5"},
          {"BUILDKITE_COMMIT", "c3"},
          {"BUILDKITE_BRANCH", "main"}},
         {.platform = "buildkite",
          .server = "acme",
          .repository = "git@github.com:acme/app.git",
          .build = "b-uuid",
          .step = "s-uuid",
          .attempt = 2,
          .node_index = 0,
          .node_total = 5,
          .job_url = "https://buildkite.com/acme/app/builds/5#j-uuid",
          .commit = "c3",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: circleci", "[mesh][ci]") {
  check({{{"CIRCLECI", "true"},
          {"CIRCLE_PROJECT_USERNAME", "acme"},
          {"CIRCLE_PROJECT_REPONAME", "app"},
          {"CIRCLE_WORKFLOW_ID", "w"},
          {"CIRCLE_JOB", "test-3.11"},
          {"CIRCLE_NODE_INDEX", "3"},
          {"CIRCLE_NODE_TOTAL", "4"},
          {"CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/app/17"},
          {"CIRCLE_SHA1", "c4"},
          {"CIRCLE_BRANCH", "main"}},
         {.platform = "circleci",
          .repository = "acme/app",
          .build = "w",
          .step = "test-3.11",
          .node_index = 3,
          .node_total = 4,
          .job_url = "https://circleci.com/gh/acme/app/17",
          .commit = "c4",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: codefresh", "[mesh][ci]") {
  check({{{"CF_BUILD_ID", "cf"},
          {"CF_REPO_OWNER", "acme"},
          {"CF_REPO_NAME", "app"},
          {"CF_STEP_NAME", "tests"},
          {"CF_BUILD_URL", "https://g.codefresh.io/build/cf"},
          {"CF_REVISION", "c5"},
          {"CF_BRANCH", "main"}},
         {.platform = "codefresh",
          .repository = "acme/app",
          .build = "cf",
          .step = "tests",
          .job_url = "https://g.codefresh.io/build/cf",
          .commit = "c5",
          .branch = "main"}});
}

TEST_CASE("ci: github has no node numbers but those that the pipeline sets", "[mesh][ci]") {
  const Variables variables = {{"CI", "true"},
                               {"GITHUB_ACTIONS", "true"},
                               {"GITHUB_SERVER_URL", "https://github.com"},
                               {"GITHUB_REPOSITORY", "acme/app"},
                               {"GITHUB_RUN_ID", "88"},
                               {"GITHUB_RUN_ATTEMPT", "3"},
                               {"GITHUB_WORKFLOW", "CI"},
                               {"GITHUB_JOB", "test"},
                               {"GITHUB_ACTION", "__run_2"},
                               {"GITHUB_SHA", "c6"},
                               {"GITHUB_HEAD_REF", ""},
                               {"GITHUB_REF_NAME", "main"}};
  CiRun expected{.platform = "github",
                 .server = "https://github.com",
                 .repository = "acme/app",
                 .build = "88",
                 .step = "CI:test:__run_2",
                 .attempt = 3,
                 .job_url = "https://github.com/acme/app/actions/runs/88/attempts/3",
                 .commit = "c6",
                 .branch = "main"};
  check({variables, expected});
  expected.node_index = 1;
  expected.node_total = 2;
  expected.multi_host = true;
  check({with(variables, {{"CI_NODE_INDEX", "1"}, {"CI_NODE_TOTAL", "2"}}), expected});
}

TEST_CASE("ci: gitlab cuts the shard number off the job's name", "[mesh][ci]") {
  check({kGitlab,
         {.platform = "gitlab",
          .server = "https://gitlab.example.com",
          .repository = "group/project",
          .build = "12345",
          .step = "test:unit",
          .node_index = 1,
          .node_total = 4,
          .job_url = "https://gitlab.example.com/group/project/-/jobs/991",
          .commit = "0123abcd",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: gitlab matrix legs are jobs of their own unless a group says otherwise",
          "[mesh][ci]") {
  const CiRun a = seen(with(kGitlab, {{"CI_JOB_NAME", "unit: [3.11, linux]"}}));
  const CiRun b = seen(with(kGitlab, {{"CI_JOB_NAME", "unit: [3.12, linux]"}}));
  CHECK(a.step == "test:unit");
  CHECK(a.matrix == "[3.11, linux]");
  CHECK(job_key(a, "", "") != job_key(b, "", ""));
  CHECK(job_key(a, "all", "") == job_key(b, "all", ""));
}

TEST_CASE("ci: a matrix leg that is a job of its own has one node", "[mesh][ci]") {
  Variables leg = kGitlab;
  leg["CI_JOB_NAME"] = "unit: [3.11, linux]";
  const auto counted = [&](std::string_view group, std::string_view user_key) {
    CiRun run = seen(leg);
    count_leg(run, group, user_key);
    return run;
  };
  CHECK(counted("", "").node_total == 1U);
  CHECK(counted("", "").node_index == 0U);
  CHECK_FALSE(counted("", "").multi_host);
  // One job of all legs.
  CHECK(counted("all", "").node_total == 4U);
  CHECK(counted("", "key").node_index == 1U);
  leg["CI_JOB_NAME"] = "unit 2/4";
  CHECK(counted("", "").node_total == 4U);
}

TEST_CASE("ci: whether a job that is run again can be told from the same one", "[mesh][ci]") {
  CHECK(seen(kGitlab).url_names_run);
  CHECK_FALSE(seen(kGitlab).counts_attempts);
  const CiRun github = seen({{"GITHUB_ACTIONS", "true"}, {"GITHUB_RUN_ATTEMPT", "1"}});
  CHECK(github.counts_attempts);
  CHECK_FALSE(github.url_names_run);
  // What only looks like GitHub may not count.
  CHECK_FALSE(seen({{"GITHUB_ACTIONS", "true"}}).counts_attempts);
  CHECK(seen({{"BUILDKITE", "true"}}).counts_attempts);
  CHECK(seen({{"SLURM_JOB_ID", "7"}}).counts_attempts);
  const CiRun jenkins = seen({{"JENKINS_URL", "http://j"}, {"BUILD_URL", "http://j/1"}});
  CHECK_FALSE(jenkins.counts_attempts);
  CHECK_FALSE(jenkins.url_names_run);
  Variables without_page = kGitlab;
  without_page.erase("CI_JOB_URL");
  CHECK_FALSE(seen(without_page).url_names_run);
}

TEST_CASE("ci: jenkins, with and without its address configured", "[mesh][ci]") {
  const Variables variables = {{"JENKINS_URL", "https://ci.example.com/"},
                               {"BUILD_TAG", "jenkins-app-12"},
                               {"JOB_NAME", "app"},
                               {"STAGE_NAME", "Test"},
                               {"GIT_URL", "https://bob:pw@git.example.com/app.git"},
                               {"BUILD_URL", "https://ci.example.com/job/app/12/"},
                               {"GIT_COMMIT", "c7"},
                               {"GIT_BRANCH", "origin/main"}};
  CiRun expected{.platform = "jenkins",
                 .server = "https://ci.example.com/",
                 .repository = "https://git.example.com/app.git",
                 .build = "jenkins-app-12",
                 .step = "app:Test",
                 .job_url = "https://ci.example.com/job/app/12/",
                 .commit = "c7",
                 .branch = "main"};
  check({variables, expected});
  expected.server = "";
  check({with(variables, {{"JENKINS_URL", ""}}), expected});
}

TEST_CASE("ci: teamcity", "[mesh][ci]") {
  check({{{"TEAMCITY_VERSION", "2023.11"},
          {"BUILD_NUMBER", "31"},
          {"TEAMCITY_PROJECT_NAME", "App"},
          {"TEAMCITY_BUILDCONF_NAME", "Tests"},
          {"BUILD_URL", "https://tc.example.com/build/31"},
          {"BUILD_VCS_NUMBER", "c8"}},
         {.platform = "teamcity",
          .build = "31",
          .step = "App:Tests",
          .job_url = "https://tc.example.com/build/31",
          .commit = "c8"}});
}

TEST_CASE("ci: travis", "[mesh][ci]") {
  check({{{"TRAVIS", "true"},
          {"TRAVIS_REPO_SLUG", "acme/app"},
          {"TRAVIS_BUILD_ID", "4"},
          {"TRAVIS_BUILD_STAGE_NAME", "Test"},
          {"TRAVIS_JOB_WEB_URL", "https://app.travis-ci.com/acme/app/jobs/41"},
          {"TRAVIS_COMMIT", "c9"},
          {"TRAVIS_PULL_REQUEST_BRANCH", ""},
          {"TRAVIS_BRANCH", "main"},
          {"CI_NODE_INDEX", "1"},
          {"CI_NODE_TOTAL", "3"}},
         {.platform = "travis",
          .repository = "acme/app",
          .build = "4",
          .step = "Test",
          .node_index = 1,
          .node_total = 3,
          .job_url = "https://app.travis-ci.com/acme/app/jobs/41",
          .commit = "c9",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: bitrise numbers the copies of a workflow", "[mesh][ci]") {
  check({{{"BITRISE_BUILD_SLUG", "slug"},
          {"BITRISEIO_PIPELINE_ID", "pipe"},
          {"GIT_REPOSITORY_URL", "git@github.com:acme/app.git"},
          {"BITRISE_TRIGGERED_WORKFLOW_ID", "run_tests_1"},
          {"BITRISE_IO_PARALLEL_INDEX", "1"},
          {"BITRISE_IO_PARALLEL_TOTAL", "3"},
          {"BITRISE_BUILD_URL", "https://app.bitrise.io/build/slug"},
          {"BITRISE_GIT_COMMIT", "ca"},
          {"BITRISE_GIT_BRANCH", "main"}},
         {.platform = "bitrise",
          .repository = "git@github.com:acme/app.git",
          .build = "pipe",
          .step = "run_tests",
          .node_index = 1,
          .node_total = 3,
          .job_url = "https://app.bitrise.io/build/slug",
          .commit = "ca",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: semaphore", "[mesh][ci]") {
  check({{{"SEMAPHORE", "true"},
          {"SEMAPHORE_WORKFLOW_ID", "wf"},
          {"SEMAPHORE_PIPELINE_ID", "pl"},
          {"SEMAPHORE_ORGANIZATION_URL", "https://acme.semaphoreci.com"},
          {"SEMAPHORE_GIT_REPO_SLUG", "acme/app"},
          {"SEMAPHORE_BLOCK_NAME", "Tests"},
          {"SEMAPHORE_JOB_NAME", "Unit - 2/4"},
          {"SEMAPHORE_JOB_ID", "j"},
          {"SEMAPHORE_JOB_INDEX", "2"},
          {"SEMAPHORE_JOB_COUNT", "4"},
          {"SEMAPHORE_GIT_SHA", "cb"},
          {"SEMAPHORE_GIT_BRANCH", "main"}},
         {.platform = "semaphore",
          .server = "https://acme.semaphoreci.com",
          .repository = "acme/app",
          .build = "pl",
          .step = "Tests:Unit",
          .node_index = 1,
          .node_total = 4,
          .job_url = "https://acme.semaphoreci.com/jobs/j",
          .commit = "cb",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: woodpecker", "[mesh][ci]") {
  check({{{"CI", "woodpecker"},
          {"CI_SYSTEM_URL", "https://wood.example.com"},
          {"CI_REPO", "acme/app"},
          {"CI_PIPELINE_NUMBER", "6"},
          {"CI_WORKFLOW_NAME", "test"},
          {"CI_STEP_NAME", "pytest"},
          {"CI_STEP_URL", "https://wood.example.com/repos/1/pipeline/6/2"},
          {"CI_COMMIT_SHA", "cc"},
          {"CI_COMMIT_BRANCH", "main"}},
         {.platform = "woodpecker",
          .server = "https://wood.example.com",
          .repository = "acme/app",
          .build = "6",
          .step = "test:pytest",
          .job_url = "https://wood.example.com/repos/1/pipeline/6/2",
          .commit = "cc",
          .branch = "main"}});
}

TEST_CASE("ci: drone", "[mesh][ci]") {
  check({{{"CI", "true"},
          {"DRONE", "true"},
          {"DRONE_SYSTEM_HOST", "drone.example.com"},
          {"DRONE_REPO", "acme/app"},
          {"DRONE_BUILD_NUMBER", "42"},
          {"DRONE_STAGE_NAME", "default"},
          {"DRONE_STAGE_NUMBER", "1"},
          {"DRONE_STEP_NAME", "pytest"},
          {"DRONE_STEP_NUMBER", "3"},
          {"DRONE_BUILD_LINK", "https://drone.example.com/acme/app/42"},
          {"DRONE_COMMIT_SHA", "cd"},
          {"DRONE_BRANCH", "main"}},
         {.platform = "drone",
          .server = "drone.example.com",
          .repository = "acme/app",
          .build = "42",
          .step = "default:pytest",
          .job_url = "https://drone.example.com/acme/app/42/1/3",
          .commit = "cd",
          .branch = "main"}});
}

TEST_CASE("ci: cirrus", "[mesh][ci]") {
  check({{{"CIRRUS_CI", "true"},
          {"CIRRUS_REPO_FULL_NAME", "acme/app"},
          {"CIRRUS_BUILD_ID", "1"},
          {"CIRRUS_TASK_NAME", "test"},
          {"CIRRUS_TASK_ID", "2"},
          {"CI_NODE_INDEX", "0"},
          {"CI_NODE_TOTAL", "2"},
          {"CIRRUS_CHANGE_IN_REPO", "ce"},
          {"CIRRUS_BRANCH", "main"}},
         {.platform = "cirrus",
          .repository = "acme/app",
          .build = "1",
          .step = "test",
          .node_index = 0,
          .node_total = 2,
          .job_url = "https://cirrus-ci.com/task/2",
          .commit = "ce",
          .branch = "main",
          .multi_host = true}});
}

TEST_CASE("ci: codebuild", "[mesh][ci]") {
  check({{{"CODEBUILD_BUILD_ID", "app:b1e6661e"},
          {"AWS_REGION", "eu-west-1"},
          {"CODEBUILD_SOURCE_REPO_URL", "https://github.com/acme/app.git"},
          {"CODEBUILD_RESOLVED_SOURCE_VERSION", "cf"},
          {"CODEBUILD_WEBHOOK_HEAD_REF", "refs/heads/main"}},
         {.platform = "codebuild",
          .server = "eu-west-1",
          .repository = "https://github.com/acme/app.git",
          .build = "app:b1e6661e",
          .commit = "cf",
          .branch = "main"}});
}

TEST_CASE("ci: the pods of an indexed kubernetes job share its name", "[mesh][ci]") {
  const Variables variables = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                               {"JOB_COMPLETION_INDEX", "12"},
                               {"HOSTNAME", "tests-4-12"}};
  check({variables,
         {.platform = "kubernetes", .step = "tests-4", .node_index = 12, .multi_host = true}});
  CHECK(seen(with(variables, {{"JOB_NAME", "named"}})).step == "named");
}

TEST_CASE("ci: slurm step; hosts and tasks are counted apart", "[mesh][ci]") {
  const Variables variables = {{"SLURM_JOB_ID", "100"},       {"SLURM_STEP_ID", "0"},
                               {"SLURM_JOB_NAME", "tests"},   {"SLURM_PROCID", "3"},
                               {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_JOB_NUM_NODES", "2"},
                               {"SLURM_RESTART_COUNT", "1"},  {"SLURM_CLUSTER_NAME", "hpc"}};
  CiRun expected{.platform = "slurm",
                 .server = "hpc",
                 .build = "100:0",
                 .step = "tests",
                 .attempt = 2,
                 .node_index = 3,
                 .node_total = 4,
                 .multi_host = true};
  check({variables, expected});
  expected.multi_host = false;
  check({with(variables, {{"SLURM_JOB_NUM_NODES", "1"}}), expected});
  expected.node_index.reset();
  expected.node_total.reset();
  expected.build = "100";
  check({with(variables, {{"SLURM_JOB_NUM_NODES", "1"}, {"SLURM_STEP_ID", ""}}), expected});
}

TEST_CASE("ci: slurm array, numbered from its first task", "[mesh][ci]") {
  check({{{"SLURM_JOB_ID", "103"},
          {"SLURM_ARRAY_JOB_ID", "100"},
          {"SLURM_ARRAY_TASK_ID", "7"},
          {"SLURM_ARRAY_TASK_MIN", "5"},
          {"SLURM_ARRAY_TASK_COUNT", "4"},
          {"SLURM_JOB_NAME", "tests"}},
         {.platform = "slurm",
          .build = "100",
          .step = "tests",
          .node_index = 2,
          .node_total = 4,
          .multi_host = true}});
}

TEST_CASE("ci: generic node numbers count from nought", "[mesh][ci]") {
  check({{{"CI_NODE_INDEX", "1"}, {"CI_NODE_TOTAL", "2"}, {"CI_BUILD_ID", "5"}},
         {.platform = "generic",
          .build = "5",
          .node_index = 1,
          .node_total = 2,
          .multi_host = true}});
}

TEST_CASE("ci: what names the build of a run", "[mesh][ci]") {
  const std::string build = build_of(seen(kGitlab));
  CHECK_FALSE(build.empty());
  CHECK(build_of(seen(with(kGitlab, {{"CI_NODE_INDEX", "4"}}))) == build);
  CHECK(build_of(seen(with(kGitlab, {{"CI_PIPELINE_ID", "other"}}))) != build);
  CHECK(build_of(seen(with(kGitlab, {{"CI_COMMIT_SHA", "other"}}))) != build);
  const Variables convention = {{"CI_NODE_INDEX", "0"}, {"CI_NODE_TOTAL", "2"}};
  CHECK(build_of(seen(convention)).empty());
  CHECK_FALSE(build_of(seen(with(convention, {{"GIT_COMMIT", "c0ffee"}}))).empty());
  CHECK(build_of(seen({{"JOB_COMPLETION_INDEX", "1"}, {"HOSTNAME", "suite-1"}})).empty());
  CHECK(build_of(local_run("host", "user", "/src")).empty());
}

TEST_CASE("ci: a CI on top of slurm or kubernetes wins over it", "[mesh][ci]") {
  CHECK(seen(with(kGitlab, {{"SLURM_JOB_ID", "1"}, {"JOB_COMPLETION_INDEX", "0"}})).platform ==
        "gitlab");
}

TEST_CASE("ci: numbers that make no sense are dropped", "[mesh][ci]") {
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_INDEX", "0"}})).node_index.has_value());
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_INDEX", "5"}})).node_index.has_value());
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_INDEX", "-1"}})).node_index.has_value());
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_INDEX", "2x"}})).node_index.has_value());
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_TOTAL", "99999999999"}})).node_total.has_value());
  CHECK_FALSE(seen(with(kGitlab, {{"CI_NODE_TOTAL", "0"}})).multi_host);
}

TEST_CASE("ci: only a shard number is cut off a name", "[mesh][ci]") {
  CHECK(without_shard_number("test 3/8") == "test");
  CHECK(without_shard_number("Test - 3/8") == "Test");
  CHECK(without_shard_number("unit tests 3/8") == "unit tests");
  CHECK(without_shard_number("python 3.9") == "python 3.9");
  CHECK(without_shard_number("a/b") == "a/b");
  CHECK(without_shard_number("test a/8") == "test a/8");
  CHECK(without_shard_number("3/8") == "3/8");
  CHECK(without_shard_number("") == "");
}

TEST_CASE("ci: credentials never become part of a name", "[mesh][ci]") {
  CHECK(without_credentials("https://u:p@host/a@b") == "https://host/a@b");
  CHECK(without_credentials("https://token@host") == "https://host");
  CHECK(without_credentials("https://host/a") == "https://host/a");
  CHECK(without_credentials("git@host:a/b.git") == "git@host:a/b.git");
}

TEST_CASE("ci: a job key is shared by the nodes and the attempts of a step only", "[mesh][ci]") {
  const CiRun run = seen(kGitlab);
  const std::string key = job_key(run, "", "");
  CHECK(key == "gitlab|https://gitlab.example.com|group/project|12345|test:unit|");
  CHECK(job_key(seen(with(kGitlab, {{"CI_JOB_NAME", "unit 3/4"}, {"CI_JOB_ID", "9"}})), "", "") ==
        key);
  CHECK(job_key(seen(with(kGitlab, {{"CI_PIPELINE_ID", "12346"}})), "", "") != key);
  CHECK(job_key(seen(with(kGitlab, {{"CI_JOB_NAME", "lint"}})), "", "") != key);
  CHECK(job_key(run, "py311", "") != key);
  CHECK(job_key(run, "", "mine") == "job|mine|");
  CHECK(job_key(run, "a|b", "c%") == "job|c%25|a%7Cb");
}

TEST_CASE("ci: a run within a test is a job and a suite of its own", "[mesh][ci]") {
  const CiRun outer = GENERATE(seen(kGitlab), local_run("host", "me", "/home/me/app"));
  const auto nested = [&](const char* span, const char* user_key) {
    CiRun run = outer;
    run.node_index = 1;
    run.node_total = 3;
    nest_in_test(run, span, user_key);
    return run;
  };
  const CiRun run = nested("0123456789abcdef", "");
  for (const char* group : {"", "py311"}) {
    CHECK(job_key(run, group, "") != job_key(outer, group, ""));
    CHECK(job_key(run, group, "") == job_key(nested("0123456789abcdef", ""), group, ""));
    CHECK(job_key(run, group, "") != job_key(nested("fedcba9876543210", ""), group, ""));
    CHECK(suite_key(run, group, "") != suite_key(outer, group, ""));
    CHECK(suite_key(run, group, "") == suite_key(nested("fedcba9876543210", ""), group, ""));
  }
  // The CI counts the nodes of the outer job.
  CHECK_FALSE((run.node_index || run.node_total || run.multi_host));
  CHECK(job_key(nested("0123456789abcdef", "mine"), "", "mine") == job_key(outer, "", "mine"));
  CHECK(nested("0123456789abcdef", "mine").node_total == 3U);
  CHECK(job_key(nested("", ""), "", "") == job_key(outer, "", ""));
}

TEST_CASE("ci: attempts and commits never form one mesh", "[mesh][ci]") {
  CiRun run = seen(kGitlab);
  const std::string first = run_identity(run, job_key(run, "", ""));
  run.attempt = 2;
  CHECK(run_identity(run, job_key(run, "", "")) != first);
  run.attempt = 1;
  run.commit = "other";
  CHECK(run_identity(run, job_key(run, "", "")) != first);
}

TEST_CASE("ci: outside any CI one user's runs of one checkout belong together", "[mesh][ci]") {
  const std::string key = job_key(local_run("host", "me", "/home/me/app"), "", "");
  CHECK(key == "local|host|/home/me/app|me||");
  CHECK(job_key(local_run("host", "you", "/home/me/app"), "", "") != key);
}

}  // namespace dagz
