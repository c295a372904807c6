"""Chinese questions: their numbers, in either script, and whether they deny something."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from langchain_costguard.semantic_cache.guards.quantities import Quantity, measured, units

_CHARACTER: Final = re.compile(r"[\u4e00-\u9fff]")
_DIGITS: Final = dict(
    zip("零一二两三四五六七八九〇壹贰叁肆伍陆柒捌玖", (0, 1, 2, 2, *range(3, 10), 0, *range(1, 10)), strict=True)
)
_SCALES: Final = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000, "万": 10_000, "亿": 10**8}
_UNIT: Final = "|".join(sorted((word for word in units() if _CHARACTER.match(word)), key=len, reverse=True))
_NUMBER: Final = re.compile(
    rf"(?P<share>百分之)?(?P<number>\d+(?:\.\d+)?[十百千万亿]*|[零一二两三四五六七八九〇十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟]+)个?(?P<unit>{_UNIT})?"
)
_NOT_NUMBERS: Final = re.compile(
    r"一(?:下|些|样|般|定|直|起|共|旦|切|边|点|种|个|次性|方面|律|致|面|向)|第一|唯一|统一|万一|千万|十分|百度|三星|星期[一二三四五六日天]|周[一二三四五六日]"
)
_NEGATION: Final = re.compile(r"不|没|無|无|非|未|勿|禁止|禁|别(?!人|的|名|墅)|莫|免|拒")
_NOT_NEGATIONS: Final = re.compile(
    r"不同|不过|不但|不仅|不管|不论|不断|不久|不错|不动产|不锈钢|不客气|差不多|对不起|非常|非洲|无线|无论|无锡|未来|未婚|"
    r"(.{1,2})不\1|(.{1,2})没\2|有没有|是不是|能不能|可不可以|要不要|会不会|行不行|好不好|免费|特别|分别|别的|区别|级别|性别|类别|个别|告别|识别|"
    r"[吗么嘛]?不$|除非|除了"
)
_OPPOSITES: Final = """
打开 开启 启用 激活 | 关闭 禁用 停用
增加 提高 上调 | 减少 降低 下调
允许 可以 能 | 禁止
包含 包括 | 排除
买入 购买 | 卖出 出售
转入 存入 存款 | 转出 取出 取款
上传 | 下载
加密 | 解密
登录 | 登出 退出
锁定 | 解锁
安装 | 卸载
最大 最高 最多 最长 | 最小 最低 最少 最短
最好 | 最差
以上 超过 高于 大于 多于 | 以下 不足 低于 小于 少于
之前 以前 | 之后 以后
以内 之内 | 以外
上午 早上 | 下午 晚上
今天 | 明天 | 昨天
工作日 | 周末
全职 | 兼职
成人 | 儿童
优点 | 缺点
安全 | 危险
合法 | 非法
公开 | 私有
进口 | 出口
收入 | 支出
升级 | 降级
同意 接受 | 拒绝
开始 | 结束
"""
"""Words that exclude each other, one family a line."""


def is_chinese(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return not text.isascii() and bool(_CHARACTER.search(text))


def quantities(text: str) -> tuple[tuple[Quantity, ...], str]:
    """The numbers of a Chinese text with their units, and the text without them.

    `一` within words such as `一下` or `一样`, and days of the week, are no numbers.
    """
    found: list[Quantity] = []

    def note(match: re.Match[str]) -> str:
        value = _value(match["number"])
        found.append(measured(value, "%" if match["share"] else (match["unit"] or ""), match[0]))
        return " "

    rest = _NUMBER.sub(note, _NOT_NUMBERS.sub(" ", text))
    return tuple(found), rest


def negations(text: str) -> int:
    """How many words of a Chinese text deny something; `是不是` and `不同` deny nothing."""
    return len(_NEGATION.findall(_NOT_NEGATIONS.sub(" ", text)))


def opposites(stored: str, asked: str) -> str | None:
    """Words that exclude each other, one in either text."""
    for family in _opposite_families():
        mine, yours = ([any(word in text for word in side) for side in family] for text in (stored, asked))
        if sum(mine) == sum(yours) == 1 and mine != yours:
            return f"{family[mine.index(True)][0]!r} against {family[yours.index(True)][0]!r}"
    return None


@lru_cache(maxsize=1)
def _opposite_families() -> tuple[tuple[tuple[str, ...], ...], ...]:
    return tuple(tuple(tuple(side.split()) for side in line.split("|")) for line in _OPPOSITES.strip().splitlines())


def weekdays(text: str) -> frozenset[str]:
    """The days of the week a Chinese text names."""
    return frozenset(day.replace("天", "日") for day in re.findall(r"(?:星期|周|礼拜)([一二三四五六日天])", text))


def _value(number: str) -> float:
    digits = re.match(r"[\d.]+", number)
    if digits:
        value = float(digits[0])
        for scale in number[digits.end() :]:
            value *= _SCALES[scale]
        return value
    if not any(sign in _SCALES for sign in number):
        return float("".join(str(_DIGITS[sign]) for sign in number))
    total, section, digit = 0, 0, 0
    for sign in number:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif _SCALES[sign] >= 10_000:  # noqa: PLR2004 - `万` and `亿` multiply all that stands before them
            total, section, digit = (total + section + digit) * _SCALES[sign], 0, 0
        else:
            section, digit = section + (digit or 1) * _SCALES[sign], 0
    return float(total + section + digit)
