#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mesh/time.hpp"
#include "report/dashboard_route.hpp"
#include "report/summary.hpp"
#include "report/verdict.hpp"

// The frame of the dashboard's pages and the pieces that they share. All of it is HTML that needs
// no script and nothing from anywhere else.

namespace dagz::report {

struct PageFrame {
  std::string title;       // plain text
  std::string problem;     // what the user should know, plain text; empty = nothing
  uint32_t refresh_s = 0;  // browsers with scripts ask for it again; 0 = never
  bool running = false;    // those without scripts do so as well
};
std::string page(const PageFrame& frame, std::string_view content);
// A page that only says what is wrong.
std::string error_page(std::string_view title, std::string_view sentence);

// 184,480
std::string grouped(uint64_t number);
// <time> in UTC that tells how long ago it was.
std::string time_element(WallTime time, WallTime now);
// "3 hours ago"
std::string time_ago(WallTime time, WallTime now);

std::string status_badge(JobStatus status);
std::string verdict_badge(Verdict verdict);
// The class of what is drawn in the colour of this verdict.
std::string_view tone_of(Verdict verdict);

// What became of the tests, a chip for each kind that occurs.
std::string result_chips(const Counts& counts, bool running);
// The same as a bar.
std::string result_bar(const Counts& counts, bool running);

// A link to the page of the CI, or its plain text where no browser should follow it.
std::string ci_link(const std::string& url, std::string_view label);

// One test of a job in a list.
struct TestRow {
  std::string_view job;  // as in its path
  const TestSummary& test;
  bool context = false;  // with a button for its agent context
};
std::string test_table(const std::vector<TestRow>& rows);

}  // namespace dagz::report
