/* How fast a device was measured to be, in the user's cache folder: `auto` decides by it among devices of one
 * kind. */
#include <stdlib.h>

#include "device/device.h"

char *rf_device_cache_path(const rf_device_info *info, const char *what, const char *ending) {
    const char *parts[] = {info->platform, info->name, info->version, info->driver, rf_version()};
    rf_str identity = {0};
    for (size_t i = 0; i < RF_COUNT(parts); i++) rf_str_addf(&identity, "%s\n", parts[i]);
    uint64_t hash = rf_hash(rf_str_text(&identity), identity.length, 0);
    char *folder = rf_cache_dir();
    char *path =
        folder != NULL ? rf_format("%s/%s-%016llx.%s", folder, what, (unsigned long long)hash, ending) : NULL;
    free(folder);
    rf_str_free(&identity);
    return path;
}

rf_status rf_device_record_speed(const rf_device_info *info, double images_per_second) {
    char text[64], *path = rf_device_cache_path(info, "speed", "txt");
    if (path == NULL) return rf_fail(RF_E_IO, "there is no cache folder: set HOME or XDG_CACHE_HOME");
    int length = snprintf(text, sizeof text, "%.9g\n", images_per_second);
    rf_status status = rf_file_write(path, text, (size_t)length);
    free(path);
    return status;
}

double rf_device_speed(const rf_device_info *info) {
    char *path = rf_device_cache_path(info, "speed", "txt");
    void *text = NULL;
    size_t length = 0;
    double speed = 0;
    if (path != NULL && rf_file_read(&text, &length, path, 64) == RF_OK) speed = strtod(text, NULL);
    free(text);
    free(path);
    return speed > 0 && speed < 1e12 ? speed : 0;
}
