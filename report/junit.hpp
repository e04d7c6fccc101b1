#pragma once

#include <string>
#include <string_view>

#include "report/summary.hpp"

// JUnit XML of the whole job, in the structure that Jenkins, GitLab and CircleCI read: one suite
// named "pytest" with a case per test, split into class and name as pytest splits them.
//
// A test that failed for good has <failure> (or <error>) from the attempt that its report shows and
// <rerunFailure>/<rerunError> from the others; one that passed in the end has <flakyFailure> or
// <flakyError>. Tests without a verdict and redundant ones are skipped, and say why. Collection
// errors are cases with an <error>, as pytest writes them.
// Characters that XML forbids become #xNN as in pytest's files, and so do bytes that are no UTF-8.

namespace dagz::report {

std::string format_junit(const JobSummary& summary);

struct JunitAddress {
  std::string class_name;
  std::string name;
};
// a/b.py::TestX::test_y[p] -> a.b.TestX, test_y[p]
JunitAddress junit_address(std::string_view id);

// As the content of an element, or between double quotes when `attribute`.
std::string escape_xml(std::string_view text, bool attribute);

}  // namespace dagz::report
