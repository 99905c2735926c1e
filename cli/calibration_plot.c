/*
 * The curves as SVG: one panel under the other, both axes logarithmic.
 *
 *      title
 *      |            legend
 *      |   ...../
 *      |_________
 *       x_name
 */
#include <math.h>

#include "calibration.h"

enum {
    WIDTH = 760,
    PANEL = 360, /* height of a panel, with its texts */
    LEFT = 90,
    RIGHT = 30,
    TOP = 48,
    BOTTOM = 62,
};

/* A logarithmic axis: values low to high lie on pixels from to to. */
struct axis {
    double low, high, from, to;
};

static double place(const struct axis *axis, double value)
{
    double share = log(value / axis->low) / log(axis->high / axis->low);

    return axis->from + share * (axis->to - axis->from);
}

static void widen(struct axis *axis, double value)
{
    if (axis->low == 0 || value < axis->low)
        axis->low = value;
    if (value > axis->high)
        axis->high = value;
}

/* An axis of one value only would have no length. */
static void finish(struct axis *axis)
{
    if (axis->high <= axis->low)
        axis->high = axis->low * 2;
}

/* 1024 as 1 Ki, 2000000 as 2 M: powers of two along bytes, decimal elsewhere. */
static void print_number(FILE *out, double value, bool binary)
{
    static const char *const decimal_names[] = { "", " k", " M", " G" };
    static const char *const binary_names[] = { "", " Ki", " Mi", " Gi" };
    double step = binary ? 1024 : 1000;
    unsigned i = 0;

    while (i < 3 && value >= step) {
        value /= step;
        i++;
    }
    fprintf(out, "%g%s", value, binary ? binary_names[i] : decimal_names[i]);
}

static void draw_x_axis(FILE *out, const struct curve *curve, const struct axis *x, double bottom)
{
    unsigned i, step = curve->points > 12 ? 3 : 1;

    for (i = 0; i < curve->points; i += step) {
        double at = place(x, curve->x[i]);

        fprintf(out, "<line class='grid' x1='%.1f' y1='%.1f' x2='%.1f' y2='%d'/>", at, bottom, at,
                TOP);
        fprintf(out, "<text x='%.1f' y='%.1f' text-anchor='middle'>", at, bottom + 18);
        print_number(out, curve->x[i], true);
        fprintf(out, "</text>\n");
    }
    fprintf(out, "<text x='%d' y='%.1f' text-anchor='middle'>%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, bottom + 40, curve->x_name);
}

/* Lines at 1, 2 and 5 of each power of ten. */
static void draw_y_axis(FILE *out, const struct curve *curve, const struct axis *y)
{
    static const double steps[] = { 1, 2, 5 };
    double power = pow(10, floor(log10(y->low)));
    unsigned i;

    for (; power <= y->high; power *= 10) {
        for (i = 0; i < 3; i++) {
            double value = power * steps[i], at;

            if (value < y->low || value > y->high || (i && y->high / y->low > 2e3))
                continue;
            at = place(y, value);
            fprintf(out, "<line class='grid' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>", LEFT, at,
                    WIDTH - RIGHT, at);
            fprintf(out, "<text x='%d' y='%.1f' text-anchor='end'>", LEFT - 8, at + 4);
            print_number(out, value, false);
            fprintf(out, "</text>\n");
        }
    }
    fprintf(out, "<text x='%d' y='%d'>%s</text>\n", LEFT, TOP - 8, curve->y_name);
}

static void draw_series(FILE *out, const struct curve *curve, unsigned series, const struct axis *x,
                        const struct axis *y)
{
    unsigned i;

    fprintf(out, "<polyline class='line s%u' points='", series);
    for (i = 0; i < curve->points; i++)
        fprintf(out, "%.1f,%.1f ", place(x, curve->x[i]), place(y, curve->y[series][i]));
    fprintf(out, "'/>\n");
    fprintf(out, "<line class='line s%u' x1='%u' y1='%d' x2='%u' y2='%d'/>", series,
            300 + 210 * series, TOP - 12, 324 + 210 * series, TOP - 12);
    fprintf(out, "<text x='%u' y='%d'>%s</text>\n", 330 + 210 * series, TOP - 8,
            curve->series_name[series]);
}

static void draw_mark(FILE *out, const struct curve *curve, const struct axis *x, double bottom)
{
    double at;

    if (curve->mark < x->low || curve->mark > x->high)
        return;
    at = place(x, curve->mark);
    fprintf(out, "<line class='mark' x1='%.1f' y1='%.1f' x2='%.1f' y2='%d'/>", at, bottom, at, TOP);
    fprintf(out, "<text x='%.1f' y='%.1f'>%s ", at + 5, bottom - 6, curve->mark_name);
    print_number(out, floor(curve->mark), true);
    fprintf(out, "</text>\n");
}

static void draw_curve(FILE *out, const struct curve *curve, unsigned panel)
{
    double bottom = PANEL - BOTTOM;
    struct axis x = { .from = LEFT, .to = WIDTH - RIGHT };
    struct axis y = { .from = bottom, .to = TOP };
    unsigned i, k;

    for (i = 0; i < curve->points; i++) {
        widen(&x, curve->x[i]);
        for (k = 0; k < curve->series; k++)
            widen(&y, curve->y[k][i]);
    }
    finish(&x);
    finish(&y);
    fprintf(out, "<g transform='translate(0,%u)'>\n", panel * PANEL);
    fprintf(out, "<text class='title' x='%d' y='18'>%s</text>\n", LEFT, curve->title);
    draw_x_axis(out, curve, &x, bottom);
    draw_y_axis(out, curve, &y);
    for (k = 0; k < curve->series; k++)
        draw_series(out, curve, k, &x, &y);
    draw_mark(out, curve, &x, bottom);
    fprintf(out, "</g>\n");
}

void calibration_draw(const struct calibration *calibration, FILE *out)
{
    unsigned i, panels = 0;

    for (i = 0; i < CURVE_COUNT; i++)
        panels += calibration->curves[i].points > 0;
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %u' width='%d' height='%u'>\n"
            "<style>text{font:13px sans-serif;fill:#333}.title{font-weight:bold;font-size:15px}"
            ".grid{stroke:#e4e4e4}.line{fill:none;stroke-width:2}.s0{stroke:#1f6fb4}"
            ".s1{stroke:#d2691e}.mark{stroke:#888;stroke-dasharray:5 4}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n",
            WIDTH, panels * PANEL, WIDTH, panels * PANEL);
    for (i = 0, panels = 0; i < CURVE_COUNT; i++) {
        if (calibration->curves[i].points)
            draw_curve(out, &calibration->curves[i], panels++);
    }
    fprintf(out, "</svg>\n");
}
