#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "commands/commands.hpp"
#include "commands/mesh_access.hpp"
#include "options/options.hpp"
#include "report/exit_code.hpp"

// Command line, environment and dagz.toml -> options -> a command -> exit code. No decision here.

namespace {

std::string current_directory() {
  std::error_code error;
  const auto path = std::filesystem::current_path(error);
  return error ? "." : path.string();
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

dagz::CommandLine read_command_line(int argc, char** argv) {
  dagz::CommandLine line;
  line.arguments.assign(argv + 1, argv + argc);
  line.environment = dagz::environment_variable;
  const std::string here = current_directory();
  line.project_root = dagz::find_project_root(here, exists);
  const std::string path = line.project_root + "/dagz.toml";
  if (!exists(path)) return line;
  std::ifstream stream(path, std::ios::binary);
  line.config = {line.project_root == here ? "dagz.toml" : path,
                 {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()},
                 stream.is_open() && !stream.bad()};
  return line;
}

struct Perform {
  int operator()(const dagz::RunOptions& options) const { return dagz::run_command(options); }
  int operator()(const dagz::ReportOptions& options) const { return dagz::report_command(options); }
  int operator()(const dagz::JobsOptions& options) const { return dagz::jobs_command(options); }
  int operator()(const dagz::LogsOptions& options) const { return dagz::logs_command(options); }
  int operator()(const dagz::HistoryOptions& options) const {
    return dagz::history_command(options);
  }
  int operator()(const dagz::MeshOptions& options) const { return dagz::mesh_command(options); }
  int operator()(const dagz::DoctorOptions& options) const { return dagz::doctor_command(options); }
  int operator()(const dagz::ServeOptions& options) const { return dagz::serve_command(options); }
  int operator()(const dagz::PrintText& print) const {
    std::fwrite(print.text.data(), 1, print.text.size(), stdout);
    return 0;
  }
  int operator()(const dagz::UsageError& error) const {
    std::fprintf(stderr, "dagz: %s\n", error.sentence.c_str());
    return dagz::report::kExitUsage;
  }
};

}  // namespace

int main(int argc, char** argv) {
  // A write beyond the limit of file sizes then fails as one to a full disk does. What is started
  // for the user gets the default back.
  std::signal(SIGXFSZ, SIG_IGN);
  return std::visit(Perform{}, dagz::parse_command_line(read_command_line(argc, argv)));
}
