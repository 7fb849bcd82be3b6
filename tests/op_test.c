/* Walks the op table without a device: attributes, shapes, the reference against PyTorch's numbers and against finite
 * differences, and what solvers answer for any shape.  Nobody writes a test for a new op: its cases are the test.
 *
 *   op_test [OP...]
 *   op_test --inputs      prints the inputs of the small cases, for tools/fixtures/ops.py */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_cases.h"

enum { FIXTURE_FLOATS = 1500, DIFFERENCES = 24, DRAWS = 400, QUICK_DRAWS = 60, DRAWN_FLOATS = 4000 };

/* Random problems of each op. */
static int draws(void) {
    return getenv("RANGEFINDER_TEST_ALL") ? DRAWS : QUICK_DRAWS;
}

/* ---- attributes and shapes ---- */

static void set_attribute(rf_attrs *attrs, const rf_attr_spec *spec, double value) {
    rf_attr_set(attrs, spec, spec->type == RF_ATTR_PAIR ? spec->min : value, value);
}

static void attributes_keep_their_bounds(void **state) {
    const rf_op *op = *state;
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec) {
        rf_attrs attrs;
        rf_attrs_default(&attrs, op);
        for (const rf_attr_spec *other = op->attrs; other->name; ++other)
            if (other->required) set_attribute(&attrs, other, other->max);
        cleanly(rf_attrs_check(&attrs, op), "defaults");
        set_attribute(&attrs, spec, spec->min);
        cleanly(rf_attrs_check(&attrs, op), spec->name);
        set_attribute(&attrs, spec, spec->max);
        cleanly(rf_attrs_check(&attrs, op), spec->name);
        if (spec->type == RF_ATTR_BOOL) continue;
        set_attribute(&attrs, spec, spec->min - 1 == spec->def ? spec->min - 2 : spec->min - 1);
        assert_int_equal(rf_attrs_check(&attrs, op), RF_E_INPUT);
        assert_non_null(strstr(rf_error_message(), spec->name));
        if (spec->max >= INT32_MAX && spec->type != RF_ATTR_FLOAT) continue; /* no integer lies above */
        set_attribute(&attrs, spec, spec->max < INT32_MAX ? spec->max + 1 : INFINITY);
        assert_int_equal(rf_attrs_check(&attrs, op), RF_E_INPUT);
    }
}

static void parameters_survive_packing(const rf_param_spec *specs, int count) {
    for (int i = 0; i < count; ++i) {
        const size_t plain_count = rf_param_count(&specs[i]), stored_count = rf_param_storage(&specs[i]);
        float *plain = rf_alloc(plain_count, sizeof *plain), *back = rf_alloc(plain_count, sizeof *back);
        float *stored = rf_alloc(stored_count, sizeof *stored);
        assert_true(stored_count >= plain_count);
        for (size_t k = 0; k < plain_count; ++k) plain[k] = (float)(k + 1);
        rf_param_pack(stored, plain, &specs[i]);
        rf_param_unpack(back, stored, &specs[i]);
        assert_memory_equal(plain, back, plain_count * sizeof *plain);
        free(plain);
        free(back);
        free(stored);
    }
}

static void shapes_follow_from_inputs(void **state) {
    const rf_op *op = *state;
    assert_ptr_equal(rf_op_find(op->name), op);
    assert_non_null(op->cases[0].label);
    for (const rf_case *c = op->cases; c->label; ++c) {
        rf_problem problem;
        rf_param_spec specs[RF_MAX_PARAMS];
        cleanly(rf_problem_from_case(&problem, op, c), c->label);
        assert_true(rf_shape_count(problem.y) > 0);
        assert_int_equal(problem.y.n, op->is_loss ? 1 : problem.x[0].n);
        if (op->alias || op->in_place)
            assert_int_equal(rf_shape_count(problem.y), rf_shape_count(problem.x[0]));
        if (op->params) parameters_survive_packing(specs, op->params(&problem, specs));
    }
}

static void refused_shapes_are_named(void **state) {
    const rf_op *op = *state;
    for (const rf_case *c = op->refused; c && c->label; ++c) {
        rf_problem problem;
        if (rf_problem_from_case(&problem, op, c) != RF_E_SHAPE)
            fail_msg("%s '%s' is accepted, or refused for its attributes", op->name, c->label);
        if (!strstr(rf_error_message(), c->label))
            fail_msg("'%s' does not say '%s'", rf_error_message(), c->label);
    }
}

/* ---- PyTorch's numbers ---- */

/* Copies a map between our order (N,H,W,C) and PyTorch's (N,C,H,W). */
static float *as_pytorch(const float *data, rf_shape s) {
    float *out = rf_alloc(rf_shape_count(s), sizeof *out), *to = out;
    for (int n = 0; n < s.n; ++n)
        for (int c = 0; c < s.c; ++c)
            for (int y = 0; y < s.h; ++y)
                for (int x = 0; x < s.w; ++x) *to++ = data[(((size_t)n * s.h + y) * s.w + x) * s.c + c];
    return out;
}

/* A tensor in PyTorch's layout; free() it. */
static float *plain_tensor(const rf_sample *sample, size_t tensor, rf_shape shape, size_t *count) {
    const rf_param_spec *spec = rf_sample_spec(sample, tensor);
    *count = spec ? rf_param_count(spec) : rf_shape_count(shape);
    if (!spec) return as_pytorch(sample->data[tensor], shape);
    float *plain = rf_alloc(*count, sizeof *plain);
    rf_param_unpack(plain, sample->data[tensor], spec);
    return plain;
}
static rf_shape shape_of(const rf_sample *sample, size_t tensor) {
    if (tensor < TENSOR(dx)) return sample->problem.x[tensor - TENSOR(x)];
    if (tensor < TENSOR(y)) return sample->problem.x[tensor - TENSOR(dx)];
    return sample->problem.y;
}

static void add_numbers(rf_str *out, const float *data, size_t count, bool integers) {
    for (size_t i = 0; i < count; ++i) {
        if (integers)
            rf_str_addf(out, "%s%d", i ? "," : "", (int)((const int32_t *)data)[i]);
        else
            rf_str_addf(out, "%s%.9g", i ? "," : "", (double)data[i]);
    }
}

static void add_tensor(rf_str *out, const rf_sample *sample, size_t tensor) {
    char name[16];
    size_t count;
    const rf_shape s = shape_of(sample, tensor);
    const rf_param_spec *spec = rf_sample_spec(sample, tensor);
    const bool labels = sample->problem.op->label_input == (int)tensor + 1;
    float *plain = plain_tensor(sample, tensor, s, &count);
    rf_str_addf(out, ",\"%s\":{\"shape\":[", rf_sample_name(name, tensor));
    for (int i = 0; spec && i < spec->rank; ++i) rf_str_addf(out, "%s%d", i ? "," : "", spec->dim[i]);
    if (!spec)
        rf_str_addf(out, s.flat || labels ? "%d,%d" : "%d,%d,%d,%d", s.n, s.flat ? s.c * s.h * s.w : s.c, s.h,
                    s.w);
    rf_str_add(out, "],\"data\":[");
    add_numbers(out, plain, count, labels);
    rf_str_add(out, "]}");
    free(plain);
}

/* The case and its inputs as one JSON object, without its braces. */
static char *describe_case(const rf_case *c, const rf_sample *sample) {
    const rf_problem *p = &sample->problem;
    const uint32_t *rng = (const uint32_t *)sample->arrays.rng;
    rf_str out = {0};
    rf_str_addf(&out, "\"op\":\"%s\",\"case\":\"%s\",\"act\":\"%s\",\"training\":%d,\"accumulate\":%d",
                p->op->name, c->label, rf_act_names[p->act], p->training, p->accumulate[0]);
    rf_str_addf(&out, ",\"rng\":[%u,%u,%u],\"id\":%u,\"attrs\":{", rng[0], rng[1], rng[2], p->id);
    for (const rf_attr_spec *spec = p->op->attrs; spec && spec->name; ++spec) {
        const double y = rf_attr_get(&p->attrs, spec, 0), x = rf_attr_get(&p->attrs, spec, 1);
        rf_str_addf(&out, "%s\"%s\":", spec == p->op->attrs ? "" : ",", spec->name);
        if (spec->type == RF_ATTR_PAIR)
            rf_str_addf(&out, "[%.17g,%.17g]", y, x);
        else
            rf_str_addf(&out, "%.17g", y);
    }
    rf_str_add(&out, "}");
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) {
        const bool dx = t >= TENSOR(dx) && t < TENSOR(y);
        if (sample->count[t] == 0 || t == TENSOR(y) || (t >= TENSOR(grad) && t < TENSOR(state)) ||
            t >= TENSOR(saved))
            continue;
        if (dx && !(p->accumulate[0] && p->need_dx[t - TENSOR(dx)])) continue;
        add_tensor(&out, sample, t);
    }
    assert_false(out.failed);
    return out.data;
}

/* What PyTorch is asked for: everything that is written, but for what only we keep. */
static bool is_result(const rf_sample *sample, size_t tensor) {
    bool written = false;
    if (tensor == TENSOR(saved)) return false;
    for (int d = RF_FORWARD; d < (sample->problem.training ? RF_DIRECTIONS : 1); ++d)
        written |= rf_sample_access(sample, (rf_direction)d, tensor) == RF_WRITTEN;
    return written;
}

static bool is_small(const rf_case *c, const rf_sample *sample) {
    size_t total = 0;
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        if (is_result(sample, t)) total += sample->count[t];
    return !c->large && total <= FIXTURE_FLOATS;
}

static void print_inputs(void) {
    for (size_t i = 0; rf_op_at(i); ++i)
        for (const rf_case *c = rf_op_at(i)->cases; c->label; ++c) {
            rf_sample *sample = sample_of(rf_op_at(i), c, NULL);
            if (is_small(c, sample)) {
                char *text = describe_case(c, sample);
                printf("{\"hash\":\"%016llx\",%s}\n", (unsigned long long)rf_hash(text, strlen(text), 0),
                       text);
                free(text);
            }
            rf_sample_free(sample);
        }
}

static void run_all(rf_sample *sample) {
    for (int d = RF_FORWARD; d < (sample->problem.training ? RF_DIRECTIONS : 1); ++d)
        rf_sample_run(sample, (rf_direction)d);
}

/* Compares one line of a fixture, "tensor count hex...", 8 hexadecimal digits a number. */
static void compare_line(const rf_op *op, const rf_case *c, const rf_sample *sample, const char *line,
                         int *failures) {
    char name[16], wanted[16];
    size_t count, wanted_count, t = 0;
    int used = 0;
    assert_int_equal(sscanf(line, "%15s %zu %n", wanted, &wanted_count, &used), 2);
    while (t < RF_TENSOR_COUNT && strcmp(rf_sample_name(name, t), wanted)) ++t;
    if (t == RF_TENSOR_COUNT || sample->count[t] == 0) {
        COMPLAIN(failures, "%s '%s': PyTorch has a %s, we do not", op->name, c->label, wanted);
        return;
    }
    float *ours = plain_tensor(sample, t, shape_of(sample, t), &count),
          *theirs = rf_alloc(count, sizeof *theirs);
    double squares = 0;
    assert_int_equal(count, wanted_count);
    for (size_t i = 0; i < count; ++i) {
        char digits[9] = {0};
        uint32_t bits;
        memcpy(digits, line + used + i * 8, 8);
        bits = (uint32_t)strtoul(digits, NULL, 16);
        memcpy(&theirs[i], &bits, 4);
        squares += (double)theirs[i] * theirs[i];
    }
    for (size_t i = 0; i < count; ++i) {
        const double tolerance = 2e-6 * (sqrt(squares / (double)count) + fabs(theirs[i])) + 1e-30;
        if (fabs((double)ours[i] - theirs[i]) <= tolerance) continue;
        COMPLAIN(failures, "%s '%s' reference: %s[%zu] (PyTorch's order) is %.9g, PyTorch has %.9g", op->name,
                 c->label, wanted, i, (double)ours[i], (double)theirs[i]);
        break;
    }
    free(ours);
    free(theirs);
}

/* The fixture: "case <hash> <label>", then a line for each result, then the next case. */
static void compare_case(const rf_op *op, const rf_case *c, rf_sample *sample, char *fixture, int *failures) {
    char *text = describe_case(c, sample), *line = strdup(fixture), *all = line, *next, head[160];
    size_t results = 0, lines = 0;
    snprintf(head, sizeof head, "case %016llx %s", (unsigned long long)rf_hash(text, strlen(text), 0),
             c->label);
    for (; line && strcmp(line, head); line = next) {
        if ((next = strchr(line, '\n')) != NULL) *next++ = '\0';
        if (!strcmp(line, head)) {
            line = next;
            break;
        }
    }
    run_all(sample);
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) results += is_result(sample, t);
    for (; line && *line && strncmp(line, "case ", 5); line = next, ++lines) {
        if ((next = strchr(line, '\n')) != NULL) *next++ = '\0';
        compare_line(op, c, sample, line, failures);
    }
    if (lines != results)
        COMPLAIN(failures, "%s '%s': %zu of %zu results in tests/data/ops/%s.txt: run tools/fixtures/ops.py",
                 op->name, c->label, lines, results, op->name);
    free(text);
    free(all);
}

static void reference_agrees_with_pytorch(void **state) {
    const rf_op *op = *state;
    int failures = 0;
    void *fixture;
    size_t length;
    char *path = rf_format("%s/ops/%s.txt", RF_TEST_DATA, op->name);
    cleanly(rf_file_read(&fixture, &length, path, 1 << 20), "run tools/fixtures/ops.py");
    for (const rf_case *c = op->cases; c->label; ++c) {
        rf_sample *sample = sample_of(op, c, NULL);
        if (is_small(c, sample)) compare_case(op, c, sample, fixture, &failures);
        rf_sample_free(sample);
    }
    free(fixture);
    free(path);
    assert_int_equal(failures, 0);
}

/* ---- whatever shapes and attributes are accepted have a result ---- */

static int one_of(rf_random *random, int low, int high) {
    return low + (int)rf_random_below(random, (uint32_t)(high - low + 1));
}

/* Mostly a small number, now and then a bound. */
static double draw_value(rf_random *random, const rf_attr_spec *spec) {
    switch (one_of(random, 0, 9)) {
    case 0:
        return spec->min;
    case 1:
        return spec->max;
    case 2:
        return spec->required ? spec->min : spec->def;
    default:
        return spec->type == RF_ATTR_FLOAT
                   ? spec->min + (RF_MIN(spec->max, 2) - spec->min) * rf_random_uniform(random)
                   : RF_MIN(RF_MAX(one_of(random, 0, 8), spec->min), spec->max);
    }
}

static void draw_case(rf_case *c, const rf_op *op, rf_random *random) {
    *c = (rf_case){.label = "drawn", .accumulate = one_of(random, 0, 1)};
    c->x[0] = (rf_shape){one_of(random, 1, 3), one_of(random, 1, 6), one_of(random, 1, 7),
                         one_of(random, 1, 7), one_of(random, 0, 7) == 0};
    for (int i = 1; i < RF_MAX(op->inputs_min, 1); ++i)
        c->x[i] = op->label_input == i + 1 ? (rf_shape){c->x[0].n, 1, 1, 1, false} : c->x[0];
    if (op->is_loss) c->x[0].h = c->x[0].w = 1;
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec) {
        const double x = draw_value(random, spec);
        rf_attr_set(&c->attrs, spec, spec->type == RF_ATTR_PAIR ? draw_value(random, spec) : x, x);
    }
}

/* What is written held NaN before, so that a number which nobody writes, or divides by nothing, shows. */
static void expect_results(const rf_op *op, const rf_sample *sample) {
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) {
        char name[16];
        bool written = false;
        for (int d = RF_FORWARD; d < RF_DIRECTIONS; ++d)
            written |= rf_sample_access(sample, (rf_direction)d, t) == RF_WRITTEN;
        for (size_t i = 0; written && i < sample->count[t]; ++i)
            if (!isfinite(sample->data[t][i]) && !(t == TENSOR(saved) && op->saved_bits)) {
                const rf_attrs *a = &sample->problem.attrs;
                const rf_shape x = sample->problem.x[0];
                fail_msg(
                    "%s of %dx%dx%dx%d, kernel %dx%d stride %dx%d pad %dx%d dilation %dx%d: %s[%zu] is %g",
                    op->name, x.n, x.c, x.h, x.w, a->kernel.y, a->kernel.x, a->stride.y, a->stride.x,
                    a->pad.y, a->pad.x, a->dilation.y, a->dilation.x, rf_sample_name(name, t), i,
                    sample->data[t][i]);
            }
    }
}

static void accepted_shapes_have_a_result(void **state) {
    const rf_op *op = *state;
    rf_random random;
    int computed = 0;
    rf_random_init(&random, 5, 1);
    for (int i = 0; i < draws(); ++i) {
        rf_case c;
        rf_problem problem;
        rf_sample *sample;
        draw_case(&c, op, &random);
        if (rf_problem_from_case(&problem, op, &c) != RF_OK || rf_shape_count(problem.y) > DRAWN_FLOATS)
            continue;
        cleanly(rf_sample_create(&sample, &problem, NULL), op->name);
        run_all(sample);
        expect_results(op, sample);
        rf_sample_free(sample);
        ++computed;
    }
    assert_true(computed > draws() / 100);
}

/* ---- finite differences ---- */

/* sum of y * dy, where element `at` of a tensor is moved by `step`. */
static double moved_loss(const rf_sample *sample, size_t tensor, size_t at, float step) {
    rf_sample *moved;
    double loss = 0;
    cleanly(rf_sample_copy(&moved, sample), "copy");
    moved->data[tensor][at] += step;
    rf_sample_run(moved, RF_FORWARD);
    for (size_t i = 0; i < moved->counts.y; ++i) loss += (double)moved->arrays.y[i] * moved->arrays.dy[i];
    rf_sample_free(moved);
    return loss;
}

/* Whether parameter storage element `at` is padding, which has no gradient. */
static bool is_padding(const rf_sample *sample, size_t tensor, size_t at) {
    const rf_param_spec *spec = rf_sample_spec(sample, tensor);
    return spec && rf_param_storage(spec) != rf_param_count(spec) && sample->data[tensor][at] == 0;
}

/* The slopes of the loss to the right and to the left. */
static void slopes_at(double slopes[2], const rf_sample *sample, size_t tensor, size_t at, float step) {
    const double here = moved_loss(sample, tensor, at, 0);
    slopes[0] = (moved_loss(sample, tensor, at, step) - here) / step;
    slopes[1] = (here - moved_loss(sample, tensor, at, -step)) / step;
}

static void check_gradient(const rf_op *op, const rf_case *c, const rf_sample *start, const rf_sample *done,
                           size_t tensor, size_t gradient, int *failures) {
    const float *g = done->data[gradient];
    const size_t count = start->count[tensor], stride = RF_MAX(count / DIFFERENCES, 1);
    size_t looked_at = 0, kinks = 0;
    double squares = 0;
    char name[16];
    for (size_t i = 0; i < count; ++i) squares += (double)g[i] * g[i];
    for (size_t i = 0; i < count; i += stride) {
        if (is_padding(start, tensor, i)) continue;
        double wide[2], near[2];
        slopes_at(wide, start, tensor, i, 1.0f / 64);
        slopes_at(near, start, tensor, i, 1.0f / 512);
        const double slope = (near[0] + near[1]) / 2, size = sqrt(squares / (double)count) + fabs(slope);
        ++looked_at;
        if (fabs(wide[0] + wide[1] - near[0] - near[1]) > 0.02 * size + 4e-4 ||
            fabs(near[0] - near[1]) > 0.03 * size + 1e-3)
            ++kinks; /* a kink, or much curvature, within the step: no derivative to compare with */
        else if (fabs(slope - g[i]) > 0.02 * size + 1e-3) {
            COMPLAIN(failures, "%s '%s' reference: %s[%zu] is %.6g, finite differences say %.6g", op->name,
                     c->label, rf_sample_name(name, gradient), i, (double)g[i], slope);
            return;
        }
    }
    if (looked_at > 4 && kinks * 4 > looked_at * 3)
        COMPLAIN(failures, "%s '%s': finite differences had to leave out %zu of %zu elements of %s", op->name,
                 c->label, kinks, looked_at, rf_sample_name(name, gradient));
}

static void reference_gradients_are_derivatives(void **state) {
    const rf_op *op = *state;
    int failures = 0;
    for (const rf_case *c = op->cases; c->label; ++c) {
        if (c->large || c->inference || c->accumulate) continue;
        rf_sample *start = sample_of(op, c, NULL), *done;
        cleanly(rf_sample_copy(&done, start), c->label);
        run_all(done);
        for (int i = 0; i < start->problem.inputs; ++i)
            if (start->problem.need_dx[i])
                check_gradient(op, c, start, done, TENSOR(x) + (size_t)i, TENSOR(dx) + (size_t)i, &failures);
        for (int i = 0; i < start->param_count; ++i)
            check_gradient(op, c, start, done, TENSOR(param) + (size_t)i, TENSOR(grad) + (size_t)i,
                           &failures);
        rf_sample_free(start);
        rf_sample_free(done);
    }
    assert_int_equal(failures, 0);
}

/* ---- what solvers answer ---- */

/* Whether it takes a problem, how it would cut it, what room it needs: asked on every kind of device, for shapes of any
 * size; the sanitizers see what overflows or divides by nothing. */
static void ask_solver(const rf_solver *solver, const rf_problem *problem) {
    static const rf_device_info infos[] = {
        {.kind = RF_DEVICE_CPU, .name = "a processor", .vector_width = 8, .native_vector_width = 16},
        {.kind = RF_DEVICE_CPU, .name = "llvmpipe", .vector_width = 4, .native_vector_width = 4},
        {.kind = RF_DEVICE_GPU, .name = "a GPU", .vector_width = 1, .native_vector_width = 1},
    };
    for (size_t i = 0; i < RF_COUNT(infos); ++i) {
        rf_device_info info = infos[i];
        rf_config config;
        info.compute_units = 2 << 2 * i;
        info.max_work_group = 1024;
        info.alignment_bytes = 64;
        info.local_memory_bytes = 48 << 10;
        info.memory_bytes = info.max_alloc_bytes = (size_t)1 << 36;
        if (rf_solver_claim(solver, problem, &info) == RF_MATCH_NONE) continue;
        rf_solver_defaults(&config, solver, problem, &info);
        rf_solver_workspace(solver, problem, &info, &config);
        rf_solver_sums(solver, problem, &info, &config);
    }
}

static int draw_extent(rf_random *random) {
    return one_of(random, 0, 1) ? one_of(random, 1, 20) : 1 << one_of(random, 0, 24);
}

static void solvers_answer_for_any_shape(void **state) {
    const rf_op *op = *state;
    rf_random random;
    rf_random_init(&random, 6, 1);
    for (int i = 0; i < 10 * draws(); ++i) {
        rf_case c;
        rf_problem problem;
        draw_case(&c, op, &random);
        c.x[0].c = draw_extent(&random);
        if (!op->is_loss) c.x[0].h = draw_extent(&random), c.x[0].w = draw_extent(&random);
        if ((double)c.x[0].c * c.x[0].h * c.x[0].w > 1 << 30) continue;
        const int batch = draw_extent(&random);
        for (int k = 0; k < RF_MAX(op->inputs_min, 1); ++k) {
            if (op->label_input != k + 1) c.x[k] = c.x[0];
            c.x[k].n = batch;
        }
        if (rf_problem_from_case(&problem, op, &c) != RF_OK ||
            (double)problem.y.c * problem.y.h * problem.y.w > 1 << 30)
            continue;
        for (int s = 0; op->solvers && op->solvers[s]; ++s) ask_solver(op->solvers[s], &problem);
    }
}

int main(int argc, char **argv) {
    static const struct CMUnitTest kinds[] = {
        cmocka_unit_test(attributes_keep_their_bounds),
        cmocka_unit_test(shapes_follow_from_inputs),
        cmocka_unit_test(refused_shapes_are_named),
        cmocka_unit_test(accepted_shapes_have_a_result),
        cmocka_unit_test(reference_agrees_with_pytorch),
        cmocka_unit_test(reference_gradients_are_derivatives),
        cmocka_unit_test(solvers_answer_for_any_shape),
    };
    if (argc > 1 && !strcmp(argv[1], "--inputs")) {
        print_inputs();
        return 0;
    }
    return run_kinds(NULL, kinds, RF_COUNT(kinds), argc, argv);
}
