#pragma once

#include <string_view>

// What the dashboard's pages load: one style sheet, one script, one icon.

namespace dagz::report {

extern const std::string_view kDashboardStyle;
extern const std::string_view kDashboardScript;
extern const std::string_view kDashboardIcon;

}  // namespace dagz::report
