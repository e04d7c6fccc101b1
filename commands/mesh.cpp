#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/observer.hpp"
#include "report/exit_code.hpp"
#include "report/text.hpp"

// `dagz mesh`: the members of the live mesh as seen from here.

namespace dagz {
namespace {

using nlohmann::json;

constexpr std::size_t kColumns = 9;
using Cells = std::array<std::string, kColumns>;
constexpr std::size_t kNameColumn = 7;

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "-";
  if (found->is_number_unsigned()) return std::to_string(found->get<uint64_t>());
  const std::string text = found->is_string() ? report::visible(found->get<std::string>()) : "";
  return text.empty() ? "-" : text;
}

// "node-10" after "node-9"; those without a name last.
bool by_name(const Cells& a, const Cells& b) {
  const auto rank = [](const Cells& cells) {
    const std::string& name = cells[kNameColumn];
    return std::tuple(name == "-", name.size(), name, cells[0]);
  };
  return rank(a) < rank(b);
}

std::string round_trip_of(const MeshReply& reply, const std::string& id) {
  const auto found = reply.round_trips.find(id);
  if (found == reply.round_trips.end()) return "-";
  return fmt::format("{}.{}ms", found->second.us() / 1000, found->second.us() / 100 % 10);
}

std::optional<std::vector<Cells>> member_cells(const MeshReply& reply) {
  const json tree = json::parse(*reply.json, nullptr, false);
  const auto members = tree.find("members");
  if (members == tree.end() || !members->is_array()) return std::nullopt;
  std::vector<Cells> lines;
  for (const json& one : *members) {
    lines.push_back({text_in(one, "id"), text_in(one, "address"), text_in(one, "state"),
                     text_in(one, "role"), text_in(tree, "term"), text_in(one, "workers"),
                     round_trip_of(reply, text_in(one, "id")), text_in(one, "name"),
                     text_in(one, "host")});
  }
  std::sort(lines.begin(), lines.end(), by_name);
  return lines;
}

std::string format_members(std::vector<Cells> lines) {
  lines.insert(lines.begin(),
               {"ID", "ADDRESS", "STATE", "ROLE", "TERM", "WORKERS", "ROUND-TRIP", "NAME", "HOST"});
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Cells& line : lines) {
    std::string out;
    for (std::size_t i = 0; i < kColumns; ++i) out += fmt::format("{:<{}}  ", line[i], widths[i]);
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + "\n";
  }
  return text;
}

}  // namespace

int mesh_command(const MeshOptions& options) {
  const MeshAccess access = open_mesh_access(options.network, options.place);
  if (!access.error.empty()) return fail(access.exit_code, access.error);
  const MeshReply reply = ask_mesh(access, Query::Kind::kMesh);
  for (const std::string& note : reply.notes) say(note);
  if (!reply.error.empty()) return fail(reply.exit_code, reply.error);
  if (!reply.json) {
    const std::string secret =
        reply.foreign > 0 ? "; there are nodes of it under another secret" : "";
    return fail(report::kExitUnusableEnvironment,
                "no live mesh for this job (key " + report::visible(access.job) + ")" + secret);
  }
  auto lines = member_cells(reply);
  if (!lines) {
    return fail(report::kExitUnusableEnvironment,
                "the live mesh gave an answer that this dagz does not understand");
  }
  return print(format_members(std::move(*lines)));
}

}  // namespace dagz
